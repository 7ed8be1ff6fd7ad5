package analyze

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// Versions of the analysers. Raise one when the facts it makes from the same bytes change; exactly that analyser then reads
// every layer again.
const (
	treeVersion     = 2
	packagesVersion = 2
	filesVersion    = 1
	secretsVersion  = 1
)

// Analyzers are this worker's analysers but for secrets ([Secrets]), each with the hash of what its facts depend on besides its version: the limits, and
// for packages the readers. overrides gives other versions by name; unknown names in it are ignored.
func Analyzers(lim layer.Limits, overrides map[string]int) []plimsoll.Analyzer {
	all := []plimsoll.Analyzer{
		{Name: plimsoll.AnalyzerTree, Version: treeVersion, Config: configHash(lim.String())},
		{Name: plimsoll.AnalyzerPackages, Version: packagesVersion, Config: configHash(lim.String(), packageLimits(), strings.Join(readerNames(), " "))},
		{Name: plimsoll.AnalyzerFiles, Version: filesVersion, Config: configHash(lim.String(), fileLimits())},
	}
	for i := range all {
		if v, ok := overrides[all[i].Name]; ok {
			all[i].Version = v
		}
	}
	return all
}

// configHash is 12 hexadecimal digits: it stands in object keys.
func configHash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:6])
}
