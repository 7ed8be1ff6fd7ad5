package explain_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/explain"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

func TestMain(m *testing.M) { os.Exit(posturetest.Main(m)) }

// TestOf: the place, the layer and its instruction with what the records say; and each way in which a flaw is not there, or may be.
func TestOf(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	w.Advise(
		plimsoll.Advisory{
			ID: "DEBIAN-CVE-2024-5535", Upstream: []string{"CVE-2024-5535"}, Modified: w.Now(), Affected: []plimsoll.Affected{{
				Ecosystem: "Debian:12", Package: "openssl",
				Ranges: []plimsoll.Range{{Type: "ECOSYSTEM", Events: []plimsoll.Event{{Introduced: "0"}, {Fixed: "3.0.16-1"}}}},
			}},
		},
		plimsoll.Advisory{ID: "GHSA-1", Aliases: []string{"CVE-2024-1"}, Modified: w.Now(), Affected: []plimsoll.Affected{{Ecosystem: "npm", Package: "x", Versions: []string{"1.0.0"}}}},
	)
	debian := func(version string) plimsoll.Package {
		return plimsoll.Package{Name: "libssl3", Source: "openssl", Version: version, Ecosystem: "Debian:12", Layer: 1, Path: "var/lib/dpkg/status"}
	}
	w.Put("harbor", "shop/orders",
		w.Image("old", debian("3.0.15-1")), w.Image("new", debian("3.0.17-1")),
		w.Image("other", plimsoll.Package{Name: "bash", Version: "5.2-1", Ecosystem: "Debian:12"}),
		w.Image("ended", plimsoll.Package{Name: "node", Version: "16.20.2", Ecosystem: "Bitnami", PURL: "pkg:bitnami/node@16.20.2", Layer: 1, Path: "var/lib/dpkg/status"}),
		w.Image("unknown", plimsoll.Package{Name: "openssl", Version: "3.0.15", Ecosystem: "CentOS:7"}),
	)
	w.Fold()
	used := plimsoll.Digest("")
	for _, row := range w.Engine.View().Rows() {
		if row.Reference.Tag == "old" {
			used = row.Digest
		}
	}
	w.Engine.SetInUse(map[plimsoll.Digest]map[string]time.Time{used: {"cluster-a": w.Now()}})
	v := w.Engine.View()
	tests := map[string]struct {
		tag, id string
		word    match.Word
		reason  string
	}{
		"there":                 {"old", "CVE-2024-5535", match.Affected, "libssl3: 3.0.15-1 < fixed 3.0.16-1"},
		"there, by another id":  {"old", "DEBIAN-CVE-2024-5535", match.Affected, "libssl3: 3.0.15-1 < fixed 3.0.16-1"},
		"fixed":                 {"new", "CVE-2024-5535", match.NotAffected, "libssl3: 3.0.17-1 ≥ fixed 3.0.16-1"},
		"absent":                {"other", "CVE-2024-5535", match.NotAffected, "package absent: the image holds none of openssl (Debian)"},
		"absent, of a language": {"new", "CVE-2024-1", match.NotAffected, "package absent: the image holds none of x (npm)"},
		"no data":               {"unknown", "CVE-2024-5535", match.Unknown, "no advisory data for CentOS"},
		"end of life":           {"ended", "EOL-node-16", match.Affected, "Node.js 16 has had no fixes since 11 Sep 2023"},
		"not its end":           {"new", "EOL-node-16", match.Unknown, "no record of generation"},
		"nobody knows it":       {"old", "CVE-1999-9999", match.Unknown, "no record of generation"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, row := range v.Rows() {
				if row.Reference.Tag != tt.tag {
					continue
				}
				im, ok := v.Image(row.Digest)
				if !ok {
					t.Fatal("no image")
				}
				got := explain.Of(v, im, tt.id)
				if got.Word != tt.word || !strings.HasPrefix(got.Reason, tt.reason) {
					t.Errorf("%s because %q, want %s because %q", got.Word, got.Reason, tt.word, tt.reason)
				}
				if told := got.InUse != nil && got.InUse.Last.Equal(w.Now()); told != (tt.tag == "old") || !told && got.InUse != nil {
					t.Errorf("in use: %+v, want it of the tag old alone", got.InUse)
				}
				if tt.word == match.Affected {
					p := got.Places[0]
					if len(got.Places) != 1 || p.Path != "var/lib/dpkg/status" || p.Layer != 1 || !strings.HasPrefix(p.Instruction, "RUN ") || p.LayerDigest == "" {
						t.Errorf("place %+v", p)
					}
				}
			}
		})
	}
}
