package plimsoll

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Analyzer names one reader of layers, its version and the hash of its configuration. Facts are keyed by all three, so
// that raising a version makes exactly that analyser read again.
type Analyzer struct {
	Name    string `json:"name"` // tree, packages …
	Version int    `json:"version"`
	Config  string `json:"config"` // 12 hexadecimal digits; "0" when it has none
}

// String is the form that stands in keys and recipes: "packages@3-0f12ab34cd56".
func (a Analyzer) String() string { return fmt.Sprintf("%s@%d-%s", a.Name, a.Version, a.Config) }

// Names of the analysers. Tree and packages are always on.
const (
	AnalyzerTree     = "tree"
	AnalyzerPackages = "packages"
	AnalyzerFiles    = "files"
	AnalyzerSecrets  = "secrets"
)

// Recipe identifies what an inventory was made with: the assembler's version and every analyser's version and
// configuration. It is 16 hexadecimal digits.
type Recipe string

// NewRecipe hashes its parts; the order of analyzers does not matter.
func NewRecipe(assembler int, analyzers []Analyzer) Recipe {
	parts := make([]string, 0, len(analyzers)+1)
	for _, a := range analyzers {
		parts = append(parts, a.String())
	}
	slices.Sort(parts)
	parts = append(parts, fmt.Sprintf("assembler@%d", assembler))
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return Recipe(hex.EncodeToString(sum[:8]))
}

// Facts are what one layer holds, seen by one analyser: immutable, keyed by what we hashed ourselves. The same bytes and
// the same analyser give the same facts on any machine; what depends on the machine is an [Attempt].
type Facts struct {
	Layer    Digest        `json:"layer"`
	Analyzer Analyzer      `json:"analyzer"`
	DiffID   DiffID        `json:"diff_id,omitempty"` // of the uncompressed tar, computed by us; empty when it could not be read
	Size     int64         `json:"size"`              // compressed bytes read
	Inflated int64         `json:"inflated"`          // bytes of the uncompressed tar
	Read     Coverage      `json:"read"`              // complete or partial, with the reason, or failed by its bytes
	Tree     *TreeFacts    `json:"tree,omitempty"`
	Packages *PackageFacts `json:"packages,omitempty"`
	Files    *FileFacts    `json:"files,omitempty"`
	Secrets  *SecretFacts  `json:"secrets,omitempty"`
}

// Attempt is the record of failed tries of one layer under one recipe. After MaxAttempts it is quarantined: not tried
// again until a new recipe or an operator asks.
type Attempt struct {
	Layer  Digest `json:"layer"`
	Recipe Recipe `json:"recipe"`
	Count  int    `json:"count"` // tries at which the bytes themselves failed
	Reason string `json:"reason"`
	// Analyzers are tries that one analyser failed at, by its name: it is quarantined alone.
	Analyzers map[string]AnalyzerAttempt `json:"analyzers,omitempty"`
}

// Quarantined reports whether the layer, or one of its analysers, is not tried any more: what may be had of it was had.
func (a Attempt) Quarantined() bool {
	out := a.Count >= MaxAttempts
	for _, x := range a.Analyzers {
		if x.Count > 0 && x.Count < MaxAttempts {
			return false // it is to be tried again
		}
		out = out || x.Count >= MaxAttempts
	}
	return out
}

// AnalyzerAttempt is the record of failed tries of one analyser at one layer.
type AnalyzerAttempt struct {
	Count  int    `json:"count"`
	Reason string `json:"reason"` // names the extractor: "os/dpkg: more memory than 512 MiB"
}

// MaxAttempts is how often a layer is tried before it is quarantined: thrice tells a passing fault from a poison layer.
const MaxAttempts = 3
