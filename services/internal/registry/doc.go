// Package registry reads one configured registry safely: listings, tags, manifests and blobs, over the OCI distribution
// specification's HTTP API (v1.1, "Pulling" and "Content discovery").
//
// A registry is trusted with its own content and with nothing else. Whatever it answers is bounded (limits.go), whatever it
// points at (redirects, token realms, next pages) is checked: names before a request is made, addresses when the connection is
// made (address.go, dial.go), and credentials go to the registry and to its token realm alone (token.go).
//
// What is slow, throttled or broken is asked again within bounds (retry.go); a blob goes on from the byte it had reached
// (blob.go). Every error wraps one of the sentinels of package plimsoll and says what failed, where (URL without query and
// user information) and what to do.
package registry
