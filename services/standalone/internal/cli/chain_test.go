package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// hostileLineage is a chain of more links than fit, with one text as every name.
func hostileLineage(name string) lineageDocument {
	l := lineageDocument{OwnFrom: 1, FixFirst: []actionDocument{{Text: name, Package: name, Path: name}}}
	for i := range 9 {
		l.Chain = append(l.Chain, linkDocument{Name: name, From: i, To: i + 1, Findings: 1_234_567, Counts: map[plimsoll.Severity]int{plimsoll.SeverityCritical: 1_234_567}})
	}
	return l
}

// TestChain: the chain side by side, own and base apart, and what to do first.
func TestChain(t *testing.T) {
	t.Parallel()
	critical, high := plimsoll.SeverityCritical, plimsoll.SeverityHigh
	im := imageDocument{
		Reference: "registry.corp.example/shop/orders:2.3", Platform: "linux/amd64", Verdict: plimsoll.VerdictFail, Read: read(plimsoll.ReadComplete),
		Known: map[string]plimsoll.Knowledge{"npm": {State: plimsoll.KnownCurrent}},
		Findings: []findingDocument{
			{ID: "CVE-1", PURL: "pkg:a", Severity: critical, Fixed: "2", Layer: 5, Enrichment: &plimsoll.Enrichment{KEV: plimsoll.KEV{Added: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}}, {ID: "CVE-2", PURL: "pkg:b", Severity: critical, Layer: 0},
			{ID: "CVE-3", PURL: "pkg:b", Severity: high, Layer: 0},
			{ID: "EOL-debian-10", Class: plimsoll.ClassEndOfLife, PURL: "pkg:generic/debian@10", Severity: high, Layer: 6},
		},
	}
	action := actionDocument{Text: "rebuild runtime/java:17 on debian:bookworm (of 18 Nov 2026), then this image", Base: "harbor/debian:bookworm"}
	action.Removes.All, action.Removes.Critical = 2, 1
	update := actionDocument{Text: "log4j-core 2.14.1 → 2.17.1 or later", Package: "log4j-core", Path: "app/lib/log4j-core-2.14.1.jar"}
	update.Removes.All = 1
	l := lineageDocument{OwnFrom: 5, FixFirst: []actionDocument{action, update}, Chain: []linkDocument{
		{Name: "harbor/debian:bookworm", To: 1, Findings: 2, Counts: map[plimsoll.Severity]int{critical: 1}, Newer: &newerDocument{Since: time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)}},
		{Name: "harbor/runtime/java:17", From: 1, To: 5},
		{Name: "harbor/shop/orders:2.3", From: 5, To: 9, Findings: 1, Counts: map[plimsoll.Severity]int{critical: 1}},
	}}
	var out bytes.Buffer
	shown{Printer: text.NewPrinter(&out), lineage: l}.document(document{Images: []imageDocument{im}})
	want := strings.Split(`CHAIN       debian:bookworm           →  runtime/java:17           →  shop/orders:2.3
  layers    1                            2-5                          6-9
  findings  2 (1 critical)               0                            1 (1 critical)
  advice    newer exists (18 Nov)        -                            see 2
            CRITICAL   HIGH   MEDIUM   LOW  NOT RATED    TOTAL   FIXABLE  EXPLOITED
  own              1      1        0     0          0        2         1          1
  base             1      1        0     0          0        2         0          ?
FIX FIRST                                                                                    removes
  1 rebuild runtime/java:17 on debian:bookworm (of 18 Nov 2026), then this image  2 of 4  1 critical
  2 log4j-core 2.14.1 → 2.17.1 or later   app/lib/log4j-core-2.14.1.jar                       1 of 4
FINDINGS   own, layers 6-9 (2)
  SEVERITY  ADVISORY             PACKAGE          INSTALLED       FIXED IN        LAYER  NOTES
  CRITICAL  CVE-1                                                 2                   6  exploited
  HIGH      EOL-debian-10        debian           10              none yet            7  end of life
FINDINGS   base, layers 1-5 (2): by package, worst first`, "\n")
	lines := strings.Split(out.String(), "\n")
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("missing:\n%q\nin\n%s", line, out.String())
		}
	}
}

// TestBaseCell: a base that is not known is said to be so, and never left blank.
func TestBaseCell(t *testing.T) {
	t.Parallel()
	known := imageDocument{Base: []baseDocument{{Reference: "r.example/debian:12"}, {Reference: "r.example/runtime/java:17"}}}
	if got := baseCell(known, plimsoll.Complete()); got != "runtime/java:17" {
		t.Errorf("base %q", got)
	}
	if got := baseCell(imageDocument{}, plimsoll.Complete()); got != "not known" {
		t.Errorf("no base: %q", got)
	}
	if got := baseCell(imageDocument{}, plimsoll.Coverage{State: plimsoll.ReadNotApplicable}); got != "n/a" {
		t.Errorf("no image: %q", got)
	}
}
