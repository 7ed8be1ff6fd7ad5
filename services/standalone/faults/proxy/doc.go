// Package proxy stands between two parts of a running system and bends what passes: a [Link] relays any TCP connection and
// can hold, delay or cut it as a network does; a [Front] relays HTTP requests and can answer in the server's place. Both
// count what passes, so that a test can prove that its fault struck.
package proxy
