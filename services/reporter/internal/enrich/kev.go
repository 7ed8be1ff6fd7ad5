package enrich

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// kev reads the catalogue as CISA publishes it
// (https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json).
func (r *Read) kev(b []byte) error {
	var catalogue struct {
		Released        string `json:"dateReleased"`
		Vulnerabilities []struct {
			CVE        string `json:"cveID"`
			Added      string `json:"dateAdded"`
			Due        string `json:"dueDate"`
			Ransomware string `json:"knownRansomwareCampaignUse"`
		} `json:"vulnerabilities"`
	}
	if err := json.Unmarshal(b, &catalogue); err != nil {
		return fmt.Errorf("%w: %w", plimsoll.ErrInvalid, err)
	}
	var err error
	if r.Date, err = day(catalogue.Released); err != nil {
		return fmt.Errorf("%w: dateReleased: %w", plimsoll.ErrInvalid, err)
	}
	for _, v := range catalogue.Vulnerabilities {
		added, why := day(v.Added)
		if why == nil && added.IsZero() {
			why = errors.New("no dateAdded")
		}
		due, err := day(v.Due)
		if why == nil {
			why = err
		}
		if added.After(r.Date) {
			r.Date = added
		}
		if err := r.add(v.CVE, plimsoll.Enrichment{KEV: plimsoll.KEV{Added: added, Due: due, Ransomware: v.Ransomware == "Known"}}, why); err != nil {
			return err
		}
	}
	return nil
}
