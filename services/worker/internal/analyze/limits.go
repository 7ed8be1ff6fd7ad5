package analyze

import (
	"fmt"
	"time"
)

// Bounds of the packages analyser. They are part of its configuration hash: another bound gives other facts.
const (
	maxFile      = 64 << 20  // bytes of a file handed to an extractor: it stands in memory whole
	maxDatabase  = 256 << 20 // bytes of an OS package database; the largest met in practice are about 100 MiB
	maxPerFile   = 200_000   // packages of one file; a whole distribution has about 60,000
	maxPerLayer  = 1_000_000 // packages of one layer
	maxSources   = 500_000   // files with packages of one layer
	maxRelease   = 64 << 10  // bytes of an os-release file
	maxOwned     = 64 << 20  // bytes of file lists kept to tell which files OS packages own
	maxMembers   = 200_000   // members of an archive, nested ones included
	maxNesting   = 8         // archives within archives
	maxUnpacked  = 512 << 20 // bytes inflated from one archive: extractors hold nested archives in memory
	maxManifest  = 4 << 20   // bytes of a manifest or pom.properties within an archive
	maxAudit     = 64 << 20  // bytes of a Rust binary's dependency list, inflated
	maxBuildInfo = 8 << 20   // bytes of a Go binary's build information; the largest met are about 100 KiB
	maxField     = 4 << 10   // bytes of a name or version; longer ones are cut off nowhere, the package is malformed
)

// Budget of the readers for one layer: what a healthy machine never needs. It bounds the time of extractors alone, not of the
// network, and running out of it is an error (ErrBudget), not a fact.
const (
	budgetBase    = 2 * time.Minute
	budgetPerByte = 500 * time.Nanosecond // 10 s a 20 MB: ten times the slowest extractor measured
)

// packageLimits lists the bounds for the configuration hash.
func packageLimits() string {
	return fmt.Sprint(maxFile, maxDatabase, maxPerFile, maxPerLayer, maxSources, maxRelease, maxOwned, maxMembers, maxNesting,
		maxUnpacked, maxManifest, maxAudit, maxBuildInfo, maxField)
}
