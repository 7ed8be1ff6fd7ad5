package config

import (
	"strings"
	"testing"
)

// TestDiscovery has the settings of discovery: what is wrong is told with its field and what to write.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ yaml, want string }{
		"kind":                     {"kind: quay", "kind: \"quay\"; write distribution"},
		"namespaces of a catalog":  {"namespaces: [team]", "write include: [team/**]"},
		"Docker Hub without":       {"kind: docker-hub", "namespaces: missing"},
		"Docker Hub with a list":   {"kind: docker-hub, repositories: [team/app]", ""},
		"Docker Hub":               {"kind: docker-hub, namespaces: [team], newest_tags: 50, moved_within: 720h", ""},
		"a repository for Hub":     {"kind: docker-hub, namespaces: [team/app]", "the part before the slash"},
		"Harbor":                   {"kind: harbor", ""},
		"Harbor with both":         {"kind: harbor, namespaces: [team], repositories: [team/app]", "write one of them"},
		"Google without a slash":   {"kind: google, namespaces: [project]", "write project/repository"},
		"Google":                   {"kind: google, namespaces: [my-project/images, example.com:old/eu]", ""},
		"Google's other API":       {"kind: google, namespaces: [a/b], api_url: https://x", "no other API"},
		"GitLab without its URL":   {"kind: gitlab, namespaces: [group]", "api_url: missing"},
		"GitLab":                   {"kind: gitlab, namespaces: [Group/Project.x], api_url: https://gitlab.example.com", ""},
		"twice":                    {"kind: harbor, namespaces: [team, team]", "twice"},
		"a path":                   {"kind: harbor, namespaces: [../x]", "as it stands in URLs"},
		"moved without a time":     {"moved_within: 720h", "does not tell when"},
		"moved backwards":          {"kind: harbor, moved_within: -1h", "write a duration"},
		"newest":                   {"newest_tags: -1", "newest_tags"},
		"labels":                   {`labels: [a, a=b, "!a", "a!=b", a=b=c, a=]`, ""},
		"a label without a name":   {`labels: [=x]`, "write name"},
		"a label with a blank":     {`labels: ["a b"]`, "write name"},
		"a label with two signs":   {`labels: ["!a=b"]`, "write name"},
		"a long label":             {"labels: [" + strings.Repeat("x", 2000) + "]", "longer than"},
		"platforms":                {"platforms: [linux/amd64, linux/arm/v7, windows/amd64]", ""},
		"a platform without parts": {"platforms: [amd64]", "write os/architecture"},
		"a platform of four":       {"platforms: [a/b/c/d]", "write os/architecture"},
	} {
		_, err := parse("c.yaml", []byte("registries: [{id: r, url: https://r.example, "+tt.yaml+"}]"), nil)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestUnmatchedLabel has each form of a selector against what an image may have.
func TestUnmatchedLabel(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"tier": "prod", "empty": "", "odd": "a=b"}
	for selector, want := range map[string]bool{
		"tier": true, "tier=prod": true, "tier=dev": false, "tier!=dev": true, "tier!=prod": false, "!tier": false,
		"none": false, "!none": true, "none=x": false, "none!=x": true, "none=": false, "empty=": true, "empty": true, "odd=a=b": true,
	} {
		if got := UnmatchedLabel([]string{selector}, labels) == ""; got != want {
			t.Errorf("%s: %v, want %v", selector, got, want)
		}
	}
	if UnmatchedLabel([]string{"tier", "none"}, labels) != "none" || UnmatchedLabel(nil, nil) != "" {
		t.Error("all selectors must hold, and none always does")
	}
}
