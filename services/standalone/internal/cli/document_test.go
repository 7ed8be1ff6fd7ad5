package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func read(state plimsoll.ReadState) map[string]plimsoll.Coverage {
	return map[string]plimsoll.Coverage{"tree": plimsoll.Complete(), "packages": {State: state, Reason: "why"}}
}

// TestExitCode: a failed rule wins, then short reading; what is merely unknown is no failure.
func TestExitCode(t *testing.T) {
	t.Parallel()
	fail := imageDocument{Verdict: plimsoll.VerdictFail, Read: read(plimsoll.ReadComplete)}
	short := imageDocument{Verdict: plimsoll.VerdictUnknown, Read: read(plimsoll.ReadPartial)}
	unknown := imageDocument{Verdict: plimsoll.VerdictUnknown, Read: read(plimsoll.ReadComplete)}
	pass := imageDocument{Verdict: plimsoll.VerdictPass, Read: read(plimsoll.ReadComplete)}
	chart := imageDocument{Read: map[string]plimsoll.Coverage{"": {State: plimsoll.ReadNotApplicable, Reason: "a chart"}}}
	waiting := imageDocument{Verdict: plimsoll.VerdictUnknown}
	for _, c := range []struct {
		name   string
		images []imageDocument
		want   int
	}{
		{"pass", []imageDocument{pass}, 0},
		{"chart", []imageDocument{pass, chart}, 0},
		{"unknown", []imageDocument{pass, unknown}, 0},
		{"short", []imageDocument{pass, short}, 2},
		{"not read at all", []imageDocument{waiting}, 2},
		{"fail", []imageDocument{pass, fail}, 1},
		{"fail wins", []imageDocument{short, fail}, 1},
		{"nothing", nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, why := (document{Images: c.images}).exitCode(); got != c.want || why == "" {
				t.Errorf("exit %d (%s), want %d", got, why, c.want)
			}
		})
	}
}

// TestShow: names from images are escaped and shortened, lines keep to 100 columns, and the last says the exit code.
func TestShow(t *testing.T) {
	t.Parallel()
	hostile := "\x1b[31m" + strings.Repeat("näme", 60) + "\r\nexit 0: fine"
	im := imageDocument{
		Reference: "registry.corp.example/" + hostile, Digest: plimsoll.DigestOf(nil), Platform: "linux/amd64", Verdict: plimsoll.VerdictFail,
		Violations: []plimsoll.Violation{{Rule: "fixable-critical", Then: plimsoll.VerdictFail, Text: hostile}},
		Read:       map[string]plimsoll.Coverage{"packages": plimsoll.Partial(hostile)},
		Known:      map[string]plimsoll.Knowledge{"Debian:13": {State: plimsoll.KnownNone, Reason: hostile}},
		Findings: []findingDocument{
			{ID: "CVE-2026-12345678", PURL: "pkg:npm/a", Severity: plimsoll.SeverityCritical, Fixed: hostile, Enrichment: &plimsoll.Enrichment{SSVC: plimsoll.SSVC{Exploitation: "active"}}},
			{ID: "CVE-2026-2", PURL: "pkg:npm/a", Severity: plimsoll.SeverityNotRated},
		},
	}
	for i := range 12 { // more than a section shows
		im.Secrets = append(im.Secrets, plimsoll.Secret{Rule: hostile, Path: hostile, Line: 1234567, Last4: "\x1b[2J", Layer: 125, Hidden: true, HiddenIn: 126},
			plimsoll.Secret{Rule: "pem", Path: "config:env:" + hostile, Layer: plimsoll.LayerConfig})
		im.Files = append(im.Files, fileDocument{Path: hostile, Owner: hostile, Layer: 126 + i, Capabilities: hostile,
			Notes: []plimsoll.FileNote{plimsoll.NoteAltered, plimsoll.NoteCapabilities, plimsoll.NoteUnowned, plimsoll.NoteWorldWritable}})
		im.Hidden = append(im.Hidden, hiddenDocument{Name: hostile, Version: hostile, Layer: 125, HiddenIn: 126})
	}
	for name, d := range map[string]document{"one": {Images: []imageDocument{im}}, "many": {Images: []imageDocument{im, im}}} {
		for _, all := range []bool{false, true} {
			var out bytes.Buffer
			p := text.NewPrinter(&out)
			code := shown{Printer: p, all: all, fixes: []fix{{Package: hostile, Version: hostile, To: []string{hostile}}}, lineage: hostileLineage(hostile)}.document(d)
			if code != exitFailed || p.Err() != nil {
				t.Errorf("%s: exit %d, %v", name, code, p.Err())
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			for _, line := range lines {
				if n := len([]rune(line)); n > text.Columns {
					t.Errorf("%s: %d columns: %s", name, n, line)
				}
				if strings.ContainsAny(line, "\x1b\r") {
					t.Errorf("%s: a control character of the image's: %q", name, line)
				}
			}
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "exit 1: ") {
				t.Errorf("%s: the last line is %q", name, last)
			}
		}
	}
}

// TestTargets: what people type after scan.
func TestTargets(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]target{
		"registry.corp.example":                   {registry: plimsoll.Registry{URL: "https://registry.corp.example"}},
		"registry.corp.example:5000/shop/web":     {registry: plimsoll.Registry{URL: "https://registry.corp.example:5000"}, repository: "shop/web"},
		"registry.corp.example:5000/shop/web:1.0": {registry: plimsoll.Registry{URL: "https://registry.corp.example:5000"}, repository: "shop/web", tag: "1.0"},
		"127.0.0.1:5000/shop/web:1.0":             {registry: plimsoll.Registry{URL: "http://127.0.0.1:5000"}, repository: "shop/web", tag: "1.0"},
		"localhost/a":                             {registry: plimsoll.Registry{URL: "http://localhost"}, repository: "a"},
		"http://10.0.0.1:5000/a":                  {registry: plimsoll.Registry{URL: "http://10.0.0.1:5000"}, repository: "a"},
	} {
		got, err := parseTarget(in, t.TempDir())
		if err != nil || got.registry.URL != want.registry.URL || got.repository != want.repository || got.tag != want.tag {
			t.Errorf("%s: %s %s %s, %v", in, got.registry.URL, got.repository, got.tag, err)
		}
	}
	for _, in := range []string{"", "shop/web:1.0", "registry.corp.example/A", "registry.corp.example/a:", "registry.corp.example/a@sha256:00", "ftp://x/y", "oci:/nonexistent"} {
		if _, err := parseTarget(in, t.TempDir()); err == nil {
			t.Errorf("%q was accepted", in)
		}
	}
}

// TestCountCell: no finding is a number only of an image that was read whole, with advisories to compare with.
func TestCountCell(t *testing.T) {
	t.Parallel()
	known := func(s plimsoll.KnownState) map[string]plimsoll.Knowledge {
		return map[string]plimsoll.Knowledge{"Debian:12": {State: s}}
	}
	tests := map[string]struct {
		read  plimsoll.Coverage
		known map[string]plimsoll.Knowledge
		n     int
		want  string
	}{
		"clean":          {plimsoll.Complete(), known(plimsoll.KnownCurrent), 0, "0"},
		"old advisories": {plimsoll.Complete(), known(plimsoll.KnownStale), 0, "0"},
		"no advisories":  {plimsoll.Complete(), known(plimsoll.KnownNone), 0, "?"},
		"advisories for a part": {plimsoll.Complete(), map[string]plimsoll.Knowledge{
			"npm": {State: plimsoll.KnownCurrent}, "Debian:12": {State: plimsoll.KnownNone},
		}, 0, "?"},
		"read in part":          {plimsoll.Partial("a limit"), known(plimsoll.KnownCurrent), 0, "?"},
		"found in a part":       {plimsoll.Partial("a limit"), known(plimsoll.KnownCurrent), 1234, "1,234"},
		"not read":              {plimsoll.Failed("why"), nil, 0, "?"},
		"no image":              {plimsoll.Coverage{State: plimsoll.ReadNotApplicable}, nil, 0, "n/a"},
		"nothing to know of it": {plimsoll.Complete(), nil, 0, "0"},
	}
	for name, tt := range tests {
		if got := countCell(imageDocument{Known: tt.known}, tt.read, tt.n); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
