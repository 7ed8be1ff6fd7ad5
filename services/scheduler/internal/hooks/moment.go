package hooks

import (
	"encoding/json"
	"time"
)

// moment is a time as registries write one: seconds since 1970, or a date. One that cannot be read is no time, and no fault:
// times are counted with, never decided by.
type moment struct{ time.Time }

// forms are the ways to write a date; the second one is Java's.
var forms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999-0700"}

// maxSeconds keeps seconds within what a time can hold: the year 9999.
const maxSeconds = 253402300799

func (m *moment) UnmarshalJSON(b []byte) error {
	var seconds float64
	if json.Unmarshal(b, &seconds) == nil {
		if seconds > 0 && seconds < maxSeconds {
			m.Time = time.UnixMicro(int64(seconds * 1e6))
		}
		return nil
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		m.Time = parseMoment(text)
	}
	return nil
}

func parseMoment(text string) time.Time {
	for _, form := range forms {
		if t, err := time.Parse(form, text); err == nil {
			return t
		}
	}
	return time.Time{}
}
