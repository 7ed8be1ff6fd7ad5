package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// printed are the lines that one part of an image's output makes.
func printed(part func(s shown)) []string {
	var out bytes.Buffer
	part(shown{Printer: text.NewPrinter(&out)})
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// TestCovered: each analyser's own state, each reason on its own line, and "switched off" only of those that have no state.
func TestCovered(t *testing.T) {
	t.Parallel()
	whole, off := plimsoll.Complete(), plimsoll.Coverage{}
	read := func(packages, files, secrets plimsoll.Coverage) map[string]plimsoll.Coverage {
		out := map[string]plimsoll.Coverage{"tree": whole}
		for name, c := range map[string]plimsoll.Coverage{"packages": packages, "files": files, "secrets": secrets} {
			if c != off {
				out[name] = c
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		read map[string]plimsoll.Coverage
		want []string
	}{
		"all":     {read(whole, whole, whole), []string{"  COVERED   packages complete · files complete · secrets complete · tree complete"}},
		"off":     {read(whole, whole, off), []string{"  COVERED   packages complete · files complete · secrets not analysed (switched off) · tree complete"}},
		"partial": {read(whole, plimsoll.Partial("no lists"), plimsoll.Partial("too large")), []string{"  COVERED   packages complete · files partial · secrets partial · tree complete", "            files: no lists", "            secrets: too large"}},
		"none":    {map[string]plimsoll.Coverage{"image": plimsoll.Failed("404")}, []string{"  COVERED   image failed: 404"}},
		"chart":   {map[string]plimsoll.Coverage{"": {State: plimsoll.ReadNotApplicable, Reason: "a chart"}}, []string{"  COVERED   image not applicable: a chart"}},
		"later":   {map[string]plimsoll.Coverage{"packages": whole, "malware": whole}, []string{"  COVERED   packages complete · files not analysed (switched off)", "            secrets not analysed (switched off) · tree not analysed (switched off)", "            malware complete"}},
	} {
		if diff := cmp.Diff(c.want, printed(func(s shown) { s.covered(imageDocument{Read: c.read}) })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestContent: none is said of what was read whole, "in what was read" of a part, and nothing of what was switched off.
func TestContent(t *testing.T) {
	t.Parallel()
	whole := map[string]plimsoll.Coverage{"packages": plimsoll.Complete(), "files": plimsoll.Complete(), "secrets": plimsoll.Complete()}
	part := map[string]plimsoll.Coverage{"packages": plimsoll.Complete(), "files": plimsoll.Complete(), "secrets": plimsoll.Partial("large")}
	files := []fileDocument{
		{Path: "usr/bin/curl", Notes: []plimsoll.FileNote{plimsoll.NoteAltered}},
		{Path: "usr/local/bin/k", Notes: []plimsoll.FileNote{plimsoll.NoteUnowned, plimsoll.NoteSetUID}}, {Path: "opt/x", Notes: []plimsoll.FileNote{plimsoll.NoteUnowned}},
	}
	for name, c := range map[string]struct {
		im   imageDocument
		want string // lines
	}{
		"clean": {imageDocument{Read: whole}, "  CONTENT   no secret · no altered or unowned file"},
		"part":  {imageDocument{Read: part}, "  CONTENT   no secret in what was read · no altered or unowned file"},
		"off":   {imageDocument{Read: map[string]plimsoll.Coverage{"packages": plimsoll.Complete()}}, ""},
		"much": {imageDocument{Read: whole, Files: files, Hidden: make([]hiddenDocument, 3), Secrets: []plimsoll.Secret{{}, {Hidden: true}, {Hidden: true}}},
			"  CONTENT   1 secret · 2 hidden secrets · 1 altered file · 2 unowned files (1 set-uid)\n            3 removed packages"},
	} {
		if got := strings.Join(printed(func(s shown) { s.content(c.im) }), "\n"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestSections: layers count from 1, the configuration is called so, the line of a secret is never cut, and a long list says how
// much more there is.
func TestSections(t *testing.T) {
	t.Parallel()
	im := imageDocument{
		Secrets: []plimsoll.Secret{
			{Rule: "postgrespassword", Path: "config:env:DATABASE_URL", Last4: "wxyz", Layer: plimsoll.LayerConfig},
			{Rule: "awsaccesskey", Path: "home/someone/with/a/long/name/.aws/credentials", Line: 3, Last4: "2Otq", Layer: 2, Hidden: true, HiddenIn: 3},
		},
		Files: []fileDocument{{Path: "usr/bin/ping", Notes: []plimsoll.FileNote{plimsoll.NoteCapabilities}, Capabilities: "cap_net_raw"}, {Path: "usr/bin/su", Notes: []plimsoll.FileNote{plimsoll.NoteSetUID}, Owner: "util-linux"}},
	}
	for i := range 13 {
		im.Hidden = append(im.Hidden, hiddenDocument{Name: fmt.Sprint("lib", i), Version: "1", Layer: 0, HiddenIn: 2})
	}
	got := printed(func(s shown) { s.secrets(im); s.files(im) })
	want := []string{
		"", "SECRETS (2): values are nowhere kept; … are the last four characters",
		"  RULE             PLACE                       LAYER  ENDS   NOTE",
		"  postgrespassword config:env:DATABASE_URL    config  …wxyz",
		"  awsaccesskey     …g/name/.aws/credentials:3      3  …2Otq  hidden in layer 4, still downloadable",
		"", "FILES WORTH A LOOK (2): what may be an intruder's first",
		"  WHY                            PATH                                       PACKAGE          LAYER",
		"  cap_net_raw                    usr/bin/ping                               none                 1",
		"            … 1 file of packages, set-uid, set-gid or with capabilities: --all",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
	im.Files = im.Files[1:]
	if got := printed(func(s shown) { s.files(im) }); got[0] != "" || len(got) > 1 {
		t.Errorf("what every distribution has is shown: %q", got)
	}
	removed := printed(func(s shown) { s.removed(im) })
	if last := removed[len(removed)-1]; len(removed) != 3+mostContent+1 || last != "            … 3 more packages: --all" {
		t.Errorf("%d lines, the last %q", len(removed), last)
	}
	if all := printed(func(s shown) { s.all = true; s.removed(im) }); len(all) != 3+13 {
		t.Errorf("%d lines of all", len(all))
	}
}
