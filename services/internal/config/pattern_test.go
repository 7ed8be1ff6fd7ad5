package config

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	type list = []string
	for _, tc := range []struct {
		include, exclude list
		repository, tag  string
		want             bool
	}{
		{nil, nil, "team/app", "v1", true},
		{list{"team/*"}, nil, "team/app", "v1", true},
		{list{"team/*"}, nil, "team", "v1", false},
		{list{"team/*"}, nil, "team/app/db", "v1", false},
		{list{"team/**"}, nil, "team", "v1", true},
		{list{"team/**"}, nil, "team/app/db", "v1", true},
		{list{"team/**"}, nil, "teams/app", "v1", false},
		{list{"**"}, nil, "a/b/c", "", true},
		{list{"**/cache"}, nil, "cache", "", true},
		{list{"**/cache"}, nil, "team/x/cache", "", true},
		{list{"**/cache"}, nil, "team/cache/x", "", false},
		{list{"a/**/z"}, nil, "a/z", "", true},
		{list{"a/**/z"}, nil, "a/b/c/z", "", true},
		{list{"a/**/b/**/c"}, nil, "a/b/x/b/c", "", true},
		{list{"app"}, nil, "team/app", "", false},
		{list{"app-[0-9]"}, nil, "app-7", "", true},
		{list{"app:v*"}, nil, "app", "v1", true},
		{list{"app:v*"}, nil, "app", "latest", false},
		{list{"app:v*"}, nil, "app", "", true}, // some tag may match
		{list{"app:v*"}, nil, "other", "", false},
		{nil, list{"**:*-dev"}, "team/app", "v1-dev", false},
		{nil, list{"**:*-dev"}, "team/app", "v1", true},
		{nil, list{"**:*-dev"}, "team/app", "", true}, // not all tags are excluded
		{nil, list{"team/**"}, "team/app", "", false},
		{list{"team/app"}, list{"team/**"}, "team/app", "v1", false},
		{list{"x", "team/app"}, list{"y"}, "team/app", "v1", true},
		{list{"[bad"}, nil, "team/app", "v1", false},
	} {
		if got := Match(tc.include, tc.exclude, tc.repository, tc.tag); got != tc.want {
			t.Errorf("Match(%q, %q, %q, %q) = %v, want %v", tc.include, tc.exclude, tc.repository, tc.tag, got, tc.want)
		}
	}
}

// A pattern that makes backtracking matchers slow is a matter of its length here.
func TestMatchIsNotExponential(t *testing.T) {
	t.Parallel()
	pattern := strings.Repeat("**/a/", 40) + "b"
	if Match([]string{pattern}, nil, strings.TrimSuffix(strings.Repeat("a/", 120), "/"), "") {
		t.Error("matches")
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("team/**:v*", "team/app", "v1")
	f.Add("[", "a", "")
	f.Add("**/**:*", "", ":")
	f.Fuzz(func(t *testing.T, pattern, repository, tag string) {
		included := Match([]string{pattern}, nil, repository, tag)
		if tag != "" && included == Match(nil, []string{pattern}, repository, tag) {
			t.Errorf("%q includes and excludes %q:%q alike", pattern, repository, tag)
		}
		checkPattern(pattern)
	})
}

func TestCheckCron(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{
		"0 1 * * *": true, "off": true, "*/15 0-6,22 1,15 jan-mar Mon-Fri": true, "5/10 * * * *": true, "59 23 31 12 6": true, "  0  1 * * * ": true,
		"": false, "0 1 * *": false, "0 1 * * * *": false, "@daily": false, "60 1 * * *": false, "0 24 * * *": false, "0 0 0 * *": false, "0 0 32 * *": false,
		"0 0 * 13 *": false, "0 0 * * 7": false, "0 0 * * foo": false, "*/0 * * * *": false, "*/x * * * *": false, "5-1 * * * *": false, "1, * * * *": false,
		"-1 * * * *": false, "+1 * * * *": false, "0 0 * * *-1": false, "TZ=UTC 0 1 * *": false, "OFF": false,
	} {
		if got := checkCron(s); (got == "") != ok {
			t.Errorf("checkCron(%q) = %q, want ok %v", s, got, ok)
		}
	}
}
