// Package layer reads the bytes of one image layer: once, as a stream, without a disk.
//
// Walk hashes the compressed bytes (the digest that the manifest names) and the uncompressed ones (the diff ID), inflates
// what lies between and hands each tar entry to a visitor. What the visitor saw counts only when Walk returns without an
// error: an error means that the bytes were not the ones asked for, or that they did not all come.
package layer
