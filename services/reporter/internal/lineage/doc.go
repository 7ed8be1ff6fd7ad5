// Package lineage says which images others are built on, which link of such a chain brought what, and what to rebuild first.
//
// It is pure: it reads no bucket and knows no posture. [Tree] holds the layers of all known images; [Lineage] is one state of
// it, from which chains are read. [Plan] tries what would remove findings from one image, [Survey] over all images.
package lineage
