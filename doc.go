// Package plimsoll holds the nouns of the product: plain data that every service shares, one file a noun.
//
// An image is the last link of a chain of images. Plimsoll reads each unique layer once and keeps its [Facts]; the facts of
// an image's layers, overlaid, are its [Inventory]; an inventory meets the advisories of a [Generation] and gives
// [Finding] values; a [Policy] turns findings and [Coverage] into a [Verdict]; all verdicts at one moment are the [Posture].
//
// Nothing here does input or output, takes a context or may block, and only the standard library is imported. Behaviour
// that needs more than its own fields lives in the services.
package plimsoll
