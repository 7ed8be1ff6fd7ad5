package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// document is the scan document as the reporter's API writes it (docs/scan-document.md), as far as text output reads it.
type document struct {
	Tool struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"tool"`
	Data struct {
		Generation string `json:"generation"`
		Feeds      []struct {
			Ecosystem string    `json:"ecosystem"`
			Records   int       `json:"records"`
			State     string    `json:"state"`
			Checked   time.Time `json:"checked"`
		} `json:"feeds"`
		Enrichment []enrichmentDocument `json:"enrichment"`
	} `json:"data"`
	Policy struct {
		Name    string `json:"name"`
		Version int    `json:"version"`
	} `json:"policy"`
	Images []imageDocument `json:"images"`
}

// enrichmentDocument is a feed about exploitation.
type enrichmentDocument struct {
	Ecosystem string `json:"ecosystem"`
	Records   int    `json:"records"`
}

type imageDocument struct {
	Reference  string                        `json:"reference"`
	Digest     plimsoll.Digest               `json:"digest"`
	Platform   string                        `json:"platform"`
	Verdict    plimsoll.VerdictState         `json:"verdict"`
	Violations []plimsoll.Violation          `json:"violations"`
	Read       map[string]plimsoll.Coverage  `json:"read"`
	Known      map[string]plimsoll.Knowledge `json:"known"`
	Packages   []struct {
		PURL      string `json:"purl"`
		Name      string `json:"name"`
		Version   string `json:"version"`
		Ecosystem string `json:"ecosystem"`
		Layer     int    `json:"layer"`
		Path      string `json:"path"`
	} `json:"packages"`
	Base     []baseDocument    `json:"base"` // the lowest first
	Hidden   []hiddenDocument  `json:"hidden"`
	Files    []fileDocument    `json:"files"`
	Secrets  []plimsoll.Secret `json:"secrets"`
	Findings []findingDocument `json:"findings"`
}

// baseDocument is an image that another one stands on.
type baseDocument struct {
	Reference string `json:"reference"`
	Layers    int    `json:"layers"`
}

// hiddenDocument is a package that an upper layer removed.
type hiddenDocument struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Layer    int    `json:"layer"`
	HiddenIn int    `json:"hidden_in"`
}

// fileDocument is a file that is worth a look.
type fileDocument struct {
	Path         string              `json:"path"`
	Notes        []plimsoll.FileNote `json:"notes"`
	Owner        string              `json:"owner"`
	Layer        int                 `json:"layer"`
	Capabilities string              `json:"capabilities"`
}

type findingDocument struct {
	ID       string            `json:"id"`
	Class    plimsoll.Class    `json:"class"`
	Text     string            `json:"text"` // of an end of life
	Aliases  []string          `json:"aliases"`
	Matched  []plimsoll.Match  `json:"matched"`
	PURL     string            `json:"purl"`
	Severity plimsoll.Severity `json:"severity"`
	Score    float64           `json:"score"`
	Fixed    string            `json:"fixed"`
	Layer    int               `json:"layer"`
	Path     string            `json:"path"`

	Enrichment *plimsoll.Enrichment `json:"enrichment"`
}

func (f findingDocument) exploited() bool { return f.Enrichment != nil && f.Enrichment.Exploited() }

// versions are the names and versions of an image's packages, and of the distribution where it came to its end of life, by package URL.
func (im imageDocument) versions() map[string][2]string {
	out := map[string][2]string{}
	for _, f := range im.Findings {
		if f.Class == plimsoll.ClassEndOfLife {
			name, version, _ := strings.Cut(f.PURL[strings.LastIndexByte(f.PURL, '/')+1:], "@")
			out[f.PURL] = [2]string{name, version}
		}
	}
	for _, p := range im.Packages {
		out[p.PURL] = [2]string{p.Name, p.Version}
	}
	return out
}

// exploitation reports whether any list of exploited flaws was read.
func (d document) exploitation() bool {
	return slices.ContainsFunc(d.Data.Enrichment, func(f enrichmentDocument) bool {
		return f.Records > 0 && strings.HasPrefix(f.Ecosystem, "CISA ")
	})
}

// exploited is the number of exploited findings.
func (im imageDocument) exploited() (n int) {
	for _, f := range im.Findings {
		if f.exploited() {
			n++
		}
	}
	return n
}

// short reports whether reading fell short, and of what.
func (im imageDocument) short() (bool, plimsoll.Coverage) {
	worst := plimsoll.Coverage{State: plimsoll.ReadNotApplicable}
	if len(im.Read) == 0 {
		worst = plimsoll.Coverage{State: plimsoll.ReadWaiting, Reason: "not read yet"}
	}
	for _, c := range im.Read {
		if c.State == plimsoll.ReadComplete && worst.State == plimsoll.ReadNotApplicable || c.State.Rank() > worst.State.Rank() {
			worst = c
		}
	}
	return worst.Short(), worst
}

// count is the number of findings by severity.
func (im imageDocument) count() map[plimsoll.Severity]int {
	n := map[plimsoll.Severity]int{}
	for _, f := range im.Findings {
		n[f.Severity]++
	}
	return n
}

// exitCode follows rules and read alone: 1 a rule failed (wins), 2 coverage short, 0 otherwise.
func (d document) exitCode() (code int, why string) {
	failed, short := 0, 0
	for _, im := range d.Images {
		if im.Verdict == plimsoll.VerdictFail {
			failed++
		}
		if s, _ := im.short(); s {
			short++
		}
	}
	switch {
	case failed > 0 && short > 0:
		return exitFailed, "policy failed; coverage was short too"
	case failed > 0:
		return exitFailed, "policy failed (coverage was complete)"
	case short > 0:
		return exitShort, "coverage short"
	case len(d.Images) == 0:
		return exitShort, "no image was found"
	}
	return 0, "no rule failed, coverage complete"
}
