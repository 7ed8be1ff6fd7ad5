package config

import (
	"testing"

	"github.com/plimsoll/plimsoll"
)

func TestMatchPlatform(t *testing.T) {
	t.Parallel()
	arm := plimsoll.Platform{OS: "linux", Architecture: "arm64"}
	v7 := plimsoll.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	for _, tc := range []struct {
		p      plimsoll.Platform
		wanted []string
		want   bool
	}{
		{arm, nil, true},
		{arm, []string{"linux/arm64"}, true},
		{arm, []string{"linux/arm64/v8"}, true}, // which is often left unsaid
		{arm, []string{"linux/amd64"}, false},
		{arm, []string{"linux/amd64", "linux/arm64"}, true},
		{arm, []string{"windows/arm64"}, false},
		{v7, []string{"linux/arm"}, true},
		{v7, []string{"linux/arm/v7"}, true},
		{v7, []string{"linux/arm/v6"}, false},
		{plimsoll.Platform{}, []string{"linux/amd64"}, true}, // cannot be told
	} {
		if got := MatchPlatform(tc.wanted, tc.p); got != tc.want {
			t.Errorf("%s in %v: %t, want %t", tc.p, tc.wanted, got, tc.want)
		}
	}
}
