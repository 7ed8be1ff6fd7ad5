// Package access decides who may call the HTTP interfaces: bearer tokens from a file, each with a name and a role, and the
// rule that nothing listens beyond loopback without them.
//
// The file holds one token a line, "name role sha256:<hex>", of which only the hash is stored; New makes a token and its
// line. Empty lines and those that start with # are ignored, a leading "- " is allowed, so that the lines may stand as a
// YAML list. The file is read again when it changes.
//
// Changing calls always need a token. Reading calls need one where the listener can be reached from other machines. A
// browser, which cannot send a bearer token by itself, may give it as the password of HTTP Basic.
package access
