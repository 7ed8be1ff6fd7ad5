// Package blob keeps objects in one S3 bucket: the system of record (DESIGN: objects in the bucket).
//
// Objects are JSON made from root types, compressed with zstd; the sha256 of the uncompressed bytes stands in each object's
// metadata and is checked at each read. Immutable objects are written with If-None-Match: *. The package also holds the
// three shapes built on single objects: keys (keys.go), the append-only change log (changes.go) and the refs of a repository
// (refs.go), because both their writers and their readers must agree on them.
package blob
