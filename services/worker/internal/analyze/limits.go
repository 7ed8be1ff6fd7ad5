package analyze

import "fmt"

// Bounds of the packages analyser. They are part of its configuration hash: another bound gives other facts.
const (
	maxFile        = 64 << 20  // bytes of a file handed to an extractor: it stands in memory whole
	maxDatabase    = 256 << 20 // bytes of an OS package database; the largest met in practice are about 100 MiB
	maxPerFile     = 200_000   // packages of one file; a whole distribution has about 60,000
	maxPerLayer    = 1_000_000 // packages of one layer
	maxSources     = 500_000   // files with packages of one layer
	maxRelease     = 64 << 10  // bytes of an os-release file
	maxMembers     = 200_000   // members of an archive, nested ones included
	maxNesting     = 8         // archives within archives
	maxUnpacked    = 512 << 20 // bytes inflated from one archive, all that is within it included
	maxHeld        = 48 << 20  // bytes of inflated archives within archives that stand in memory at once, besides the file
	maxManifest    = 4 << 20   // bytes of a manifest or pom.properties within an archive
	maxAudit       = 64 << 20  // bytes of a Rust binary's dependency list, inflated
	maxAuditStored = 4 << 20   // bytes of it as stored; the largest met are about 10 KiB
	maxBuildInfo   = 8 << 20   // bytes of a Go binary's build information; the largest met are about 100 KiB
	maxField       = 4 << 10   // bytes of a name or version; longer ones are cut off nowhere, the package is malformed
)

// packageLimits lists the bounds for the configuration hash.
func packageLimits() string {
	return fmt.Sprint(maxFile, maxDatabase, maxPerFile, maxPerLayer, maxSources, maxRelease, maxMembers, maxNesting,
		maxUnpacked, maxHeld, maxManifest, maxAudit, maxAuditStored, maxBuildInfo, maxField)
}

// Bounds of the files analyser, part of its configuration hash likewise.
const (
	maxFiles      = 200_000   // files kept of one layer; the largest image met has about 40,000
	maxLists      = 200_000   // files that tell which files packages own; a whole desktop has 10,000
	maxOwnedFiles = 2_000_000 // paths in the lists of one layer; a whole desktop has 400,000
	maxOwnedBytes = 64 << 20  // bytes of these paths and their sums, before they are packed
	maxListLine   = 64 << 10  // bytes of a line of a list; a path has at most 4 KiB
	maxChisel     = 2_000_000 // lines of a Chisel manifest; the largest met has some 10,000
)

// fileLimits lists them.
func fileLimits() string {
	return fmt.Sprint(maxFiles, maxLists, maxOwnedFiles, maxOwnedBytes, maxListLine, maxChisel, maxDatabase, smallFile)
}
