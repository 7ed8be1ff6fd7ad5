package enrich

import (
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// epss reads FIRST's daily file (https://www.first.org/epss/data_stats): a comment "#model_version:…,score_date:…", a line
// with the names of the columns, then cve,epss,percentile.
func (r *Read) epss(b []byte) error {
	started := false
	for text := range strings.Lines(string(b)) {
		text = strings.TrimSpace(text)
		switch {
		case text == "":
			continue
		case strings.HasPrefix(text, "#"):
			_, date, _ := strings.Cut(text, "score_date:")
			date, _, _ = strings.Cut(date, ",")
			var err error
			if r.Date, err = day(date); err != nil {
				return fmt.Errorf("%w: score_date: %w", plimsoll.ErrInvalid, err)
			}
			continue
		case !started:
			if started = true; !strings.HasPrefix(text, "cve,epss,percentile") || r.Date.IsZero() {
				return fmt.Errorf("%w: it begins with %.60q, not with the date of its scores and the columns cve,epss,percentile", plimsoll.ErrInvalid, text)
			}
			continue
		}
		fields := strings.Split(text, ",")
		if len(fields) < 3 {
			if err := r.add(fields[0], plimsoll.Enrichment{}, fmt.Errorf("%d fields, not 3", len(fields))); err != nil {
				return err
			}
			continue
		}
		score, why := share(fields[1])
		percentile, err := share(fields[2])
		if why == nil {
			why = err
		}
		if err := r.add(fields[0], plimsoll.Enrichment{EPSS: plimsoll.EPSS{Score: score, Percentile: percentile, Date: r.Date}}, why); err != nil {
			return err
		}
	}
	return nil
}
