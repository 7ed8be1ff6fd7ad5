package exchange

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// holding is an image that holds one of everything.
func holding() Image {
	im := Image{Reference: "registry.corp.example/team/leak:1.1", Platform: "linux/amd64", Read: map[string]plimsoll.Coverage{"secrets": plimsoll.Complete()}}
	im.addContent(plimsoll.Inventory{
		Hidden: []plimsoll.Package{{Name: "perl", Version: "5", Layer: 0, HiddenIn: 2}, {Name: "gcc", Version: "12", Layer: 1, HiddenIn: 2}},
		Files: []plimsoll.File{
			{Path: "usr/bin/su", Mode: 0o4755, Owner: "util-linux", Notes: []plimsoll.FileNote{plimsoll.NoteSetUID}},
			{Path: "usr/bin/curl", Layer: 2, Mode: 0o755, Owner: "curl", SHA256: "da80", Notes: []plimsoll.FileNote{plimsoll.NoteAltered}},
			{Path: "usr/local/bin/.k w", Layer: 2, Mode: 0o4755, SHA256: "cb30", Notes: []plimsoll.FileNote{plimsoll.NoteUnowned, plimsoll.NoteSetUID}},
		},
		Secrets: []plimsoll.Secret{
			{Rule: "awsaccesskey", Path: "root/.aws/credentials", Line: 3, Fingerprint: "28a0", Last4: "2Otq", Layer: 1, Hidden: true, HiddenIn: 2},
			{Rule: "postgres", Path: "config:env:URL", Fingerprint: "77", Last4: "wxyz", Layer: plimsoll.LayerConfig},
		},
	})
	return im
}

func images(all ...Image) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		for _, im := range all {
			if !yield(im, nil) {
				return
			}
		}
	}
}

// TestScanContent: arrays are in a stable order, and what is not hidden has no layer that hid it.
func TestScanContent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := WriteScan(&out, Document{Images: images(holding(), Image{Hidden: []HiddenPackage{}, Files: []File{}, Secrets: []Secret{}})}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{
		`"hidden":[{"purl":"","name":"gcc","version":"12","source":"","ecosystem":"","layer":1,"path":"","hidden_in":2},{"purl":"","name":"perl"`,
		`"files":[{"path":"usr/bin/curl","notes":["altered"],"owner":"curl","layer":2,"mode":"0755","capabilities":"","kind":"","size":0,"sha256":"da80"},{"path":"usr/local/bin/.k w","notes":["unowned","set-uid"],"owner":"",`,
		`"secrets":[{"rule":"postgres","path":"config:env:URL","line":0,"layer":-1,"last4":"wxyz","fingerprint":"77","hidden":false},{"rule":"awsaccesskey","path":"root/.aws/credentials","line":3,"layer":1,"last4":"2Otq","fingerprint":"28a0","hidden":true,"hidden_in":2}]`,
		`"hidden":[],"files":[],"secrets":[]`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %s in\n%s", want, text)
		}
	}
}

// TestSARIFContent: secrets and suspect files are results; what a distribution installs is not.
func TestSARIFContent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := WriteSARIF(&out, Document{Images: images(holding())}); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation *struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine int }
					}
				}
				PartialFingerprints map[string]string
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	seen := map[string]bool{}
	for _, r := range doc.Runs[0].Results {
		where := "-"
		if p := r.Locations[0].PhysicalLocation; p != nil {
			where = p.ArtifactLocation.URI
		}
		got = append(got, r.Level+" "+r.RuleID+" "+where+": "+r.Message.Text)
		if id := doc.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID; id != r.RuleID {
			t.Errorf("rule %d is %s, want %s", r.RuleIndex, id, r.RuleID)
		}
		if mark := r.PartialFingerprints["plimsoll/v1"]; seen[mark] || mark == "" {
			t.Errorf("fingerprint %q is empty or stands twice", mark)
		} else {
			seen[mark] = true
		}
	}
	want := []string{
		"error secret/postgres -: postgres ending …wxyz in registry.corp.example/team/leak:1.1, its configuration (config:env:URL)",
		"warning secret/awsaccesskey root/.aws/credentials: awsaccesskey ending …2Otq in registry.corp.example/team/leak:1.1, layer 2; hidden in layer 3, still downloadable",
		"warning file/altered usr/bin/curl: usr/bin/curl of registry.corp.example/team/leak:1.1, layer 3, is not what package curl installed",
		"warning file/unowned-set-uid usr/local/bin/.k%20w: usr/local/bin/.k w of registry.corp.example/team/leak:1.1, layer 3, belongs to no package and runs with more rights than its caller's (mode 4755)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}
