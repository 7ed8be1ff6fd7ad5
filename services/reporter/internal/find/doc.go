// Package find answers the question of a Friday night: which images hold this package in these versions, before any advisory says
// so. url.go reads the question, query.go its range, judge.go decides a package, find.go looks through everything stored.
package find
