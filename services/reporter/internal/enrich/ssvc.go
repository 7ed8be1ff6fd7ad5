package enrich

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// The words of the decision points; a table holds their places.
var (
	exploitations    = []string{"", "none", "poc", "active"}
	automatables     = []string{"", "no", "yes"}
	technicalImpacts = []string{"", "partial", "total"}
)

// ssvc reads a table of CISA's Vulnrichment: tab-separated, named columns, of which cve, ssvc_exploitation, ssvc_automatable,
// ssvc_technical_impact and date_published are used.
func (r *Read) ssvc(b []byte) error {
	lines := strings.Lines(string(b))
	var at map[string]int
	for text := range lines {
		fields := strings.Split(strings.TrimRight(text, "\r\n"), "\t")
		if at == nil {
			at = map[string]int{}
			for i, name := range fields {
				at[name] = i
			}
			for _, name := range []string{"cve", "ssvc_exploitation", "ssvc_automatable", "ssvc_technical_impact"} {
				if _, ok := at[name]; !ok {
					return fmt.Errorf("%w: no column %s in the first line", plimsoll.ErrInvalid, name)
				}
			}
			continue
		}
		field := func(name string) string {
			if i, ok := at[name]; ok && i < len(fields) {
				return strings.ToLower(fields[i])
			}
			return ""
		}
		s := plimsoll.SSVC{Exploitation: field("ssvc_exploitation"), Automatable: field("ssvc_automatable"), TechnicalImpact: field("ssvc_technical_impact")}
		if s == (plimsoll.SSVC{}) {
			continue // rated by other means alone
		}
		date, why := day(field("date_published"))
		s.Date = date
		for _, w := range []struct {
			word  string
			words []string
		}{{s.Exploitation, exploitations}, {s.Automatable, automatables}, {s.TechnicalImpact, technicalImpacts}} {
			if !slices.Contains(w.words, w.word) {
				why = fmt.Errorf("%.40q is none of%s", w.word, strings.Join(w.words, " "))
			}
		}
		if why == nil && date.After(r.Date) {
			r.Date = date
		}
		if err := r.add(strings.ToUpper(field("cve")), plimsoll.Enrichment{SSVC: s}, why); err != nil {
			return err
		}
	}
	return nil
}
