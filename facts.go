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

// Names of the analysers that every image is read by.
const (
	AnalyzerTree     = "tree"
	AnalyzerPackages = "packages"
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
}

// Attempt is the record of failed tries of one layer under one recipe. After MaxAttempts it is quarantined: not tried
// again until a new recipe or an operator asks.
type Attempt struct {
	Layer    Digest `json:"layer"`
	Recipe   Recipe `json:"recipe"`
	Analyzer string `json:"analyzer,omitempty"` // which analyser; empty when the bytes themselves failed
	Count    int    `json:"count"`
	Reason   string `json:"reason"`
}

// MaxAttempts is how often a layer is tried before it is quarantined: thrice tells a passing fault from a poison layer.
const MaxAttempts = 3
