package scheduler

import (
	"errors"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
)

func TestCheckConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ids   []string
		fault string // in the error; empty: none
	}{
		{[]string{"prod", "a", "team_2-b"}, ""},
		{nil, ""},
		{[]string{"prod", "prod"}, "registries[1].id"},
		{[]string{"Prod"}, "registries[0].id"},
		{[]string{"a.b"}, "registries[0].id"},
		{[]string{"a/b"}, "registries[0].id"},
		{[]string{""}, "registries[0].id"},
		{[]string{strings.Repeat("a", 65)}, "registries[0].id"},
		{[]string{plimsoll.StreamDecisions}, "registries[0].id"},
	}
	for _, test := range tests {
		c := DefaultConfig()
		for _, id := range test.ids {
			c.Registries = append(c.Registries, plimsoll.Registry{ID: id})
		}
		err := c.check()
		if (test.fault == "") != (err == nil) || err != nil && (!errors.Is(err, plimsoll.ErrInvalid) || !strings.Contains(err.Error(), test.fault)) {
			t.Errorf("check of %q = %v, want %q", test.ids, err, test.fault)
		}
	}
}

func TestCheckNeedsAUsableRegistry(t *testing.T) {
	t.Parallel()
	for step := range Check(t.Context(), plimsoll.Registry{ID: "prod", URL: "ftp://registry.example"}) {
		if step.OK || step.Fix == "" {
			t.Errorf("step %+v, want a failure with its fix", step)
		}
	}
}
