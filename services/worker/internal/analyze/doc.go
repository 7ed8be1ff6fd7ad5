// Package analyze turns one layer's tar into facts, by the two analysers that every image is read by.
//
// Tree records every entry; Packages hands the files that hold packages, one at a time and from memory, to readers: extractors
// of osv-scalibr where they are safe on hostile bytes, each wrapped with a cross-check of what it swallowed, and readers of
// our own where they are not (rpm databases, Chisel manifests, binaries larger than memory). What could not be read is a
// partial source with its reason, never a silence.
//
// The same bytes give the same facts on any machine. What depends on the machine (time, memory) is an error of the
// analysis, never a fact.
package analyze
