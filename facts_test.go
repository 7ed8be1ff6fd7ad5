package plimsoll_test

import (
	"testing"

	"github.com/plimsoll/plimsoll"
)

func TestQuarantined(t *testing.T) {
	t.Parallel()
	type tries = map[string]plimsoll.AnalyzerAttempt
	for name, tt := range map[string]struct {
		attempt plimsoll.Attempt
		want    bool
	}{
		"none":                             {plimsoll.Attempt{}, false},
		"the bytes, twice":                 {plimsoll.Attempt{Count: 2}, false},
		"the bytes":                        {plimsoll.Attempt{Count: 3}, true},
		"an analyser":                      {plimsoll.Attempt{Analyzers: tries{"packages": {Count: 3}}}, true},
		"an analyser, another still tried": {plimsoll.Attempt{Analyzers: tries{"packages": {Count: 3}, "secrets": {Count: 1}}}, false},
	} {
		if got := tt.attempt.Quarantined(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
