package assemble

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// BenchmarkManyFiles overlays a layer of 300,000 plain files, whose folder changes with each entry, from its facts in JSON.
func BenchmarkManyFiles(b *testing.B) {
	var w plimsoll.TreeWriter
	for i := range 300_000 {
		w.Append(plimsoll.TreeEntry{Path: fmt.Sprintf("data/%03d/file-%07d.txt", i%997, i), Type: plimsoll.EntryFile, Mode: 0o644})
	}
	text, err := json.Marshal(plimsoll.Facts{Tree: &plimsoll.TreeFacts{Count: w.Count, Entries: w.Entries}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var f plimsoll.Facts
		if err := json.Unmarshal(text, &f); err != nil {
			b.Fatal(err)
		}
		l := &layerFacts{facts: map[string]*plimsoll.Facts{plimsoll.AnalyzerTree: &f}}
		if s := (&state{}).next("sha256:x", 1, l); s.layers[0].entries != w.Count {
			b.Fatal("entries are missing")
		}
	}
}
