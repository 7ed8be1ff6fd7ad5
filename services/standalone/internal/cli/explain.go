package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// Formats of the answers of explain and find.
const (
	formatTable = "table"
	formatJSON  = "json"
)

// Words that the server uses for what it says of a flaw.
const (
	wordAffected = "affected"
	wordUnknown  = "unknown"
)

// explained is an answer of /api/v1/images/{digest}/explain/{id} as far as it is shown.
type explained struct {
	Reference  string           `json:"reference"`
	Platform   string           `json:"platform"`
	Generation string           `json:"generation"`
	InUse      *usage           `json:"in_use"`
	Flaw       string           `json:"flaw"`
	Aliases    []string         `json:"aliases"`
	Verdict    string           `json:"verdict"`
	Reason     string           `json:"reason"`
	Places     []explainedPlace `json:"places"`
}

// usage is when an image was last seen in use, by source.
type usage struct {
	Last    time.Time            `json:"last"`
	Sources map[string]time.Time `json:"sources"`
}

// told says it; of an image that nobody told of it is not known.
func (u *usage) told() string {
	if u == nil {
		return "not known: nobody told"
	}
	return fmt.Sprintf("last seen in use %s, by %s", u.Last.UTC().Format("2 Jan 2006 15:04 UTC"), strings.Join(slices.Sorted(maps.Keys(u.Sources)), ", "))
}

type explainedPlace struct {
	Name        string              `json:"name"`
	Version     string              `json:"version"`
	Source      string              `json:"source"`
	Ecosystem   string              `json:"ecosystem"`
	Path        string              `json:"path"`
	Layer       int                 `json:"layer"`
	LayerDigest plimsoll.Digest     `json:"layer_digest"`
	Instruction string              `json:"instruction"`
	Verdict     string              `json:"verdict"`
	Reason      string              `json:"reason"`
	Finding     *plimsoll.Finding   `json:"finding"`
	Evidence    []evidence          `json:"evidence"`
	Severities  []rated             `json:"severities"`
	Enrichment  plimsoll.Enrichment `json:"enrichment"`
}

type evidence struct {
	Record       string    `json:"record"`
	Feed         string    `json:"feed"`
	Checked      time.Time `json:"checked"`
	Published    time.Time `json:"published"`
	Modified     time.Time `json:"modified"`
	Package      string    `json:"package"`
	Versions     string    `json:"versions"`
	Comparer     string    `json:"comparer"`
	AskedName    string    `json:"asked_name"`
	AskedVersion string    `json:"asked_version"`
	Verdict      string    `json:"verdict"`
	Reason       string    `json:"reason"`
}

type rated struct {
	Source   string            `json:"source"`
	By       string            `json:"by"`
	Severity plimsoll.Severity `json:"severity"`
	Score    float64           `json:"score"`
	Vector   string            `json:"vector"`
	Counts   bool              `json:"counts"`
}

func (a *app) explain() *cobra.Command {
	var platform, format string
	var wide bool
	c := &cobra.Command{
		Use:   "explain IMAGE ID",
		Short: "Ask a running Plimsoll why an image has a flaw, or has not; exit 0 not affected, 1 affected, 2 unknown",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != formatTable && format != formatJSON {
				return exit{exitUsage, fmt.Sprintf("--format %q: want table or json", format)}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			digests, err := c.digests(cmd.Context(), args[0], platform)
			if err != nil {
				return err
			}
			code := 0
			p := text.NewPrinter(a.out)
			p.Wide = wide
			for i, d := range digests {
				var raw json.RawMessage
				var answer explained
				if err := c.get(cmd.Context(), "/api/v1/images/"+string(d)+"/explain/"+url.PathEscape(args[1]), nil, &raw); err != nil {
					return err
				}
				if err := json.Unmarshal(raw, &answer); err != nil {
					return fmt.Errorf("%s: the answer is not what this version expects: %w", c.server, err)
				}
				if format == formatJSON {
					fmt.Fprintln(a.out, string(raw))
				} else {
					if i > 0 {
						p.Line("")
					}
					showExplained(p, answer)
				}
				code = worseCode(code, wordCode(answer.Verdict))
			}
			if format == formatTable {
				p.Line("exit %d: %s", code, map[int]string{0: "not affected", exitFailed: "affected", exitShort: "not known"}[code])
			}
			return cmp.Or(p.Err(), exitOf(code))
		},
	}
	c.Flags().StringVar(&platform, "platform", "", "one platform of the image, as linux/arm64 (default all)")
	c.Flags().StringVar(&format, "format", formatTable, "table or json (one object a platform)")
	c.Flags().BoolVar(&wide, "wide", false, "do not shorten names, paths and reasons")
	return c
}

func wordCode(word string) int {
	switch word {
	case wordAffected:
		return exitFailed
	case wordUnknown:
		return exitShort
	}
	return 0
}

// worseCode: a flaw that is there wins over one that may be there.
func worseCode(a, b int) int {
	if a == exitFailed || b == exitFailed {
		return exitFailed
	}
	return max(a, b)
}

// digests are the images, one a platform, that a name stands for: a reference with its registry, a digest, or a repository and tag
// that one registry has.
func (c *remote) digests(ctx context.Context, name, platform string) ([]plimsoll.Digest, error) {
	if _, err := plimsoll.ParseDigest(name); err == nil {
		return []plimsoll.Digest{plimsoll.Digest(name)}, nil
	}
	type row struct {
		Repository string          `json:"repository"`
		Registry   string          `json:"registry"`
		Tag        string          `json:"tag"`
		Digest     plimsoll.Digest `json:"digest"`
		Platform   string          `json:"platform"`
	}
	var gate struct {
		Images []row `json:"images"`
	}
	err := c.get(ctx, "/api/v1/gate", url.Values{"image": {name}}, &gate)
	rows := gate.Images
	var status statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		var page struct {
			Items []row `json:"items"`
		}
		if searched := c.get(ctx, "/api/v1/images", url.Values{"q": {name}, "scope": {"stored"}, "limit": {"1000"}}, &page); searched != nil {
			return nil, searched
		}
		registries := map[string]bool{}
		for _, r := range page.Items {
			if r.Repository+":"+r.Tag == name {
				rows, registries[r.Registry] = append(rows, r), true
			}
		}
		if len(registries) > 1 {
			return nil, exit{exitUsage, fmt.Sprintf("%s stands in %d registries: name one, as REGISTRY/%s", name, len(registries), name)}
		}
		if len(rows) > 0 {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	var out []plimsoll.Digest
	for _, r := range rows {
		if r.Digest != "" && (platform == "" || r.Platform == platform) {
			out = append(out, r.Digest)
		}
	}
	if len(out) == 0 {
		return nil, exit{exitShort, fmt.Sprintf("%s: nothing of it is read yet%s", name, map[bool]string{true: " for " + platform}[platform != ""])}
	}
	return out, nil
}

// showExplained prints the answer first, then each package and what every record says of it.
func showExplained(p *text.Printer, x explained) {
	style := map[string]text.Style{wordAffected: text.Red, wordUnknown: text.Yellow}[x.Verdict]
	p.Line("%s", text.Between(p.Paint(text.Bold, p.Short(x.Reference, 78)), x.Platform))
	p.Line("")
	p.Line("  %s  %s", p.Paint(style, strings.ToUpper(x.Verdict)), x.Flaw)
	p.Line("  %s", p.Short(x.Reason, 97))
	if len(x.Aliases) > 0 {
		p.Line("  also known as %s", p.Short(strings.Join(x.Aliases, ", "), 83))
	}
	p.Line("  generation %s", cmp.Or(x.Generation, "none: no advisories have been read"))
	p.Line("  in use     %s", p.Short(x.InUse.told(), 86))
	for _, place := range x.Places {
		showPlace(p, place)
	}
	p.Line("")
}

func showPlace(p *text.Printer, x explainedPlace) {
	p.Line("")
	name := strings.TrimSpace(x.Name + " " + cmp.Or(x.Version, "(version not known)"))
	if x.Source != "" {
		name += " (source " + x.Source + ")"
	}
	p.Line("%s", text.Between(p.Paint(text.Bold, "PACKAGE   ")+p.Short(name, 66), p.Short(x.Ecosystem, 20)))
	p.Line("  %-10s %s", "verdict", p.Short(x.Verdict+": "+x.Reason, 86))
	if f := x.Finding; f != nil {
		p.Line("  %-10s %s", "severity", p.Short(severityText(f.Severity, f.Score), 86))
		p.Line("  %-10s %s", "fixed in", p.Short(cmp.Or(f.Fixed, "no fix is named"), 86))
	}
	if text := exploited(x.Enrichment); text != "" {
		p.Line("  %-10s %s", "exploited", p.Short(text, 86))
	}
	p.Line("  %-10s %s", "path", p.Tail(cmp.Or(x.Path, "-"), 86))
	p.Line("  %-10s %d  %s", "layer", x.Layer+1, x.LayerDigest)
	p.Line("  %-10s %s", "made by", p.Short(cmp.Or(x.Instruction, "the image's history does not tell"), 86))
	for _, e := range x.Evidence {
		showEvidence(p, e)
	}
	if len(x.Severities) > 0 {
		p.Line("  %s", p.Paint(text.Bold, "severity by source"))
	}
	for _, r := range x.Severities {
		mark := " "
		if r.Counts {
			mark = "*"
		}
		p.Line("  %s %s %s %s", mark, text.Pad(text.Clean(r.Source), 28), text.Pad(severityText(r.Severity, r.Score), 14), p.Short(cmp.Or(r.Vector, r.By), 50))
	}
}

// exploited is what others say of the flaw's use: CISA's catalogue and decision points, and the estimate of FIRST.
func exploited(e plimsoll.Enrichment) string {
	var parts []string
	if !e.KEV.Added.IsZero() {
		parts = append(parts, "known since "+e.KEV.Added.UTC().Format("2 Jan 2006")+" (KEV)")
	}
	if e.SSVC.Exploitation != "" {
		parts = append(parts, "SSVC "+e.SSVC.Exploitation)
	}
	if !e.EPSS.Date.IsZero() {
		parts = append(parts, fmt.Sprintf("EPSS %.1f %% within 30 days", 100*e.EPSS.Score))
	}
	return strings.Join(parts, ", ")
}

func severityText(s plimsoll.Severity, score float64) string {
	if score == 0 {
		return string(s)
	}
	return fmt.Sprintf("%s %.1f", s, score)
}

// showEvidence is one record: what it says, and below, what it was asked.
func showEvidence(p *text.Printer, e evidence) {
	p.Line("  %s %s", text.Pad(text.Clean(e.Record), 24), p.Short(e.Verdict+": "+e.Reason, 72))
	if e.AskedName == "" {
		return
	}
	p.Line("    asked      %s, ordered as %s does", p.Short(strings.TrimSpace(e.AskedName+" "+e.AskedVersion), 60), e.Comparer)
	p.Line("    versions   %s", p.Short(cmp.Or(e.Versions, "none named"), 83))
	var dates []string
	for _, d := range []struct {
		word string
		at   time.Time
	}{{"published", e.Published}, {"changed", e.Modified}, {"feed " + e.Feed + " checked", e.Checked}} {
		if !d.at.IsZero() {
			dates = append(dates, d.word+" "+d.at.UTC().Format("2 Jan 2006"))
		}
	}
	if len(dates) > 0 {
		p.Line("    dates      %s", p.Short(strings.Join(dates, ", "), 83))
	}
}
