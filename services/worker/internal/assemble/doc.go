// Package assemble overlays the facts of an image's layers and tells what the image holds.
//
// Overlay merges layers exactly as containerd's apply would write them onto a disk, into an immutable tree in memory: a layer
// copies only the folders it touches, so images that share a base share its merged tree. Assembler keeps merged prefixes and
// decoded facts in bounded caches; Inventory draws packages, release and coverage from a merged tree.
package assemble

// Version of assembly. Raise it when the inventory made from the same facts changes: every image is then assembled again, and
// no layer read.
const Version = 2
