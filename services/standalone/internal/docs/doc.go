// Package docs holds the documents to the source: its tests fail when a path, link, command, target, call or bound that a
// document names is not there any more. It has no code of its own.
package docs
