package advisory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll"
)

// readerVersion is raised when more is read of a record, or otherwise: feeds that did not change are then read again.
const readerVersion = 1

// Bounds of one record, which strangers write. Real ones have at most a third of each.
const (
	// MaxRecord bounds a record's JSON, in bytes. The largest of osv.dev's, lists of every version of a package, have 3 MiB.
	MaxRecord = 16 << 20
	// maxText bounds a version, a package's name, an alias or a vector, in bytes.
	maxText = 1024
	// maxSummary bounds the summary, in bytes: it is one line on a page.
	maxSummary = 500
	// maxNames bounds aliases and upstream ids of one record: a distribution's kernel update names thousands of CVEs.
	maxNames = 20_000
)

// idForm is the form of ids: they become parts of links. Colons are AlmaLinux's, slashes are nobody's.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:+~-]{0,127}$`)

// raw is a record as published; fields that matching and pages don't need are not read.
type raw struct {
	ID        string           `json:"id"`
	Modified  string           `json:"modified"`
	Published string           `json:"published"`
	Withdrawn string           `json:"withdrawn"`
	Aliases   []string         `json:"aliases"`
	Upstream  []string         `json:"upstream"`
	Summary   string           `json:"summary"`
	Severity  []plimsoll.Score `json:"severity"`
	Affected  []rawAffected    `json:"affected"`
	Database  json.RawMessage  `json:"database_specific"`
}

type rawAffected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Severity  []plimsoll.Score `json:"severity"`
	Ranges    []plimsoll.Range `json:"ranges"`
	Versions  []string         `json:"versions"`
	Ecosystem json.RawMessage  `json:"ecosystem_specific"`
	Database  json.RawMessage  `json:"database_specific"`
}

// Decode reads one record in OSV's schema (https://ossf.github.io/osv-schema/). An error wraps [plimsoll.ErrInvalid]: the
// record is skipped and counted, and its feed goes on. GIT ranges are dropped, because inventories hold no commits.
func Decode(b []byte) (plimsoll.Advisory, error) {
	return newDecoder().decode(b)
}

// decoder shares equal strings among records: versions, names and ecosystems repeat a thousandfold.
type decoder struct{ texts map[string]string }

func newDecoder() *decoder { return &decoder{texts: map[string]string{}} }

func (d *decoder) decode(b []byte) (plimsoll.Advisory, error) {
	var r raw
	if len(b) > MaxRecord {
		return plimsoll.Advisory{}, fmt.Errorf("%w: larger than %d bytes", plimsoll.ErrInvalid, MaxRecord)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return plimsoll.Advisory{}, fmt.Errorf("%w: %w", plimsoll.ErrInvalid, err)
	}
	if !idForm.MatchString(r.ID) {
		return plimsoll.Advisory{}, fmt.Errorf("%w: id %.80q", plimsoll.ErrInvalid, r.ID)
	}
	a, err := d.advisory(r)
	if err != nil {
		return plimsoll.Advisory{}, fmt.Errorf("%s: %w: %w", r.ID, plimsoll.ErrInvalid, err)
	}
	return a, nil
}

func (d *decoder) advisory(r raw) (a plimsoll.Advisory, err error) {
	a = plimsoll.Advisory{ID: r.ID, Summary: line(r.Summary)}
	if a.Modified, err = moment("modified", r.Modified, true); err != nil {
		return a, err
	}
	if a.Published, err = moment("published", r.Published, false); err != nil {
		return a, err
	}
	if a.Withdrawn, err = moment("withdrawn", r.Withdrawn, false); err != nil {
		return a, err
	}
	if a.Aliases, err = ids("aliases", r.Aliases); err != nil {
		return a, err
	}
	if a.Upstream, err = ids("upstream", r.Upstream); err != nil {
		return a, err
	}
	a.Severity = d.scores(r.Severity)
	level := levelOf(r.Database)
	for i, x := range r.Affected {
		out, ok, err := d.affected(x, level)
		if err != nil {
			return a, fmt.Errorf("affected[%d]: %w", i, err)
		}
		if ok {
			a.Affected = append(a.Affected, out)
		}
	}
	return a, nil
}

// affected reduces one entry; ok is false when it names no package (a commit range alone) or nothing that could match.
func (d *decoder) affected(x rawAffected, level string) (out plimsoll.Affected, ok bool, err error) {
	if x.Package.Name == "" && x.Package.Ecosystem == "" {
		return out, false, nil
	}
	if x.Package.Name == "" || x.Package.Ecosystem == "" {
		return out, false, fmt.Errorf("package without name or ecosystem")
	}
	if err := bounded(x.Package.Name, x.Package.Ecosystem); err != nil {
		return out, false, err
	}
	out = plimsoll.Affected{
		Ecosystem: d.text(x.Package.Ecosystem), Package: d.text(x.Package.Name), Severity: d.scores(x.Severity),
		Level: first(levelOf(x.Ecosystem), levelOf(x.Database), level), Module: d.text(moduleOf(x.Ecosystem)),
	}
	for _, r := range x.Ranges {
		if r.Type == "GIT" {
			continue
		}
		if err := d.events(r); err != nil {
			return out, false, err
		}
		out.Ranges = append(out.Ranges, plimsoll.Range{Type: d.text(r.Type), Events: r.Events})
	}
	for _, v := range x.Versions {
		if err := bounded(v); err != nil {
			return out, false, err
		}
		out.Versions = append(out.Versions, d.text(v))
	}
	return out, len(out.Ranges) > 0 || len(out.Versions) > 0, nil
}

// events checks a range's events: each sets exactly one field, and one of them introduces.
func (d *decoder) events(r plimsoll.Range) error {
	if r.Type != "SEMVER" && r.Type != "ECOSYSTEM" {
		return fmt.Errorf("range of type %.40q", r.Type)
	}
	introduced := false
	for i := range r.Events {
		e := &r.Events[i]
		set := 0
		for _, field := range []*string{&e.Introduced, &e.Fixed, &e.LastAffected, &e.Limit} {
			if *field != "" {
				set++
				if err := bounded(*field); err != nil {
					return err
				}
				*field = d.text(*field)
			}
		}
		if set != 1 {
			return fmt.Errorf("an event sets %d fields, not 1", set)
		}
		introduced = introduced || e.Introduced != ""
	}
	if !introduced {
		return fmt.Errorf("a range without an introduced event")
	}
	return nil
}

func (d *decoder) scores(all []plimsoll.Score) []plimsoll.Score {
	var out []plimsoll.Score
	for _, s := range all {
		if bounded(s.Type, s.Score) == nil {
			out = append(out, plimsoll.Score{Type: d.text(s.Type), Score: d.text(s.Score)})
		}
	}
	return out
}

func (d *decoder) text(s string) string {
	if t, ok := d.texts[s]; ok {
		return t
	}
	d.texts[s] = s
	return s
}

func bounded(all ...string) error {
	for _, s := range all {
		if len(s) > maxText {
			return fmt.Errorf("%.40q… is longer than %d bytes", s, maxText)
		}
	}
	return nil
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// moment reads an RFC 3339 date. Year 1, which some tools write for none, is none.
func moment(field, s string, required bool) (time.Time, error) {
	if s == "" && !required {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %.40q is no RFC 3339 date", field, s)
	}
	if t.Year() <= 1 {
		return time.Time{}, nil
	}
	return t.UTC(), nil
}

// ids keeps what has an id's form, each once, in order. Others' ids are claims and no reason to lose the record.
func ids(field string, all []string) ([]string, error) {
	if len(all) > maxNames {
		return nil, fmt.Errorf("%s: more than %d", field, maxNames)
	}
	seen := make(map[string]bool, len(all))
	var out []string
	for _, id := range all {
		if idForm.MatchString(id) && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return slices.Clip(out), nil
}

// levelOf is the database's own severity word, where it has one: Debian calls it urgency, Ubuntu priority.
func levelOf(b json.RawMessage) string {
	return first(wordOf(b, "severity"), wordOf(b, "urgency"), wordOf(b, "ubuntu_priority"))
}

// moduleOf is the stream of an rpm module, as AlmaLinux names it.
func moduleOf(b json.RawMessage) string { return wordOf(b, "rpm_modularity") }

// maxWord bounds a word of a database's own fields, in bytes: levels and names of module streams have under 40.
const maxWord = 80

// wordOf is a short text of the fields that each database has for itself; empty when there is none, since they have no schema.
func wordOf(b json.RawMessage, field string) string {
	if len(b) == 0 || !bytes.Contains(b, []byte(`"`+field+`"`)) {
		return ""
	}
	var own map[string]json.RawMessage
	var word string
	if json.Unmarshal(b, &own) != nil || json.Unmarshal(own[field], &word) != nil || len(word) > maxWord {
		return ""
	}
	return word
}

// line makes one bounded line of a text from outside: no control characters, valid UTF-8.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= maxSummary {
		return s
	}
	cut := maxSummary
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
