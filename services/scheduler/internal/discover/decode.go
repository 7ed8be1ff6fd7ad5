package discover

import (
	"encoding/json"
	"errors"
	"time"
)

var errNoResults = errors.New("it has no list of results")

// timestamp reads RFC 3339 and takes whatever else stands in its place as not told: a time orders tags, it decides nothing that
// an unknown one could make unsafe.
type timestamp struct{ time.Time }

func (t *timestamp) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil && at.Year() > 1970 {
		t.Time = at.UTC()
	}
	return nil
}

func tagNames(tags []Tag) []string {
	names := make([]string, len(tags))
	for i, t := range tags {
		names[i] = t.Name
	}
	return names
}
