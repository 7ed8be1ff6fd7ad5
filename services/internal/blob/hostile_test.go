package blob_test

import (
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// TestHostileNames is H46: repositories at the limits of the specification, and such as become equal when they are joined, cut or
// lower-cased, have keys of their own, whose segments any file system can hold and none of which leads out of its folder.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 255)
	names := []string{
		"a/b-c", "a-b/c", "a/b/c", "a-b-c", "a_b/c", "a__b/c", "a.b/c", "ab/c", "a/bc", "a/b.c", "a", "0-0", "1024-3",
		long, long[:254] + "b", long[:127] + "/" + long[:127], "sha256", "refs/a", strings.Repeat("a/", 120) + "a",
	}
	seen := map[string]string{}
	for _, registry := range []string{"r", "r-a", "ra"} {
		for _, name := range names {
			if err := plimsoll.CheckRepository(name); err != nil {
				t.Errorf("%.40s: %v", name, err)
			}
			key := blob.RefKey(registry, name, 0, 0)
			if other, taken := seen[key]; taken {
				t.Errorf("%s/%.40s and %.40s share %s", registry, name, other, key)
			}
			seen[key] = registry + "/" + name
			for segment := range strings.SplitSeq(key, "/") {
				if segment == "" || segment == ".." || len(segment) > 128 || strings.ToLower(segment) != segment {
					t.Errorf("%.40s: segment %q of %s", name, segment, key)
				}
			}
		}
	}
	for key, name := range seen {
		for other := range seen {
			if other != key && strings.HasPrefix(other, key) {
				t.Errorf("the key of %.40s is the beginning of another: %s, %s", name, key, other)
			}
		}
	}
}

// TestLookAlikes is H46: names that look like others, or become them in lower case, are no names.
func TestLookAlikes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Team/app", "TEAM/APP", "teаm/app", "team/app ", "team\u200b/app", "team//app", "team/../app", "ｔｅａｍ/app", "team/app\u0301", "İ"} {
		if plimsoll.CheckRepository(name) == nil {
			t.Errorf("repository %q is taken", name)
		}
	}
	for _, tag := range []string{"latest ", "lаtest", "la\u200btest", "", "-1", "a/b", "a:b", strings.Repeat("a", 129)} {
		if plimsoll.CheckTag(tag) == nil {
			t.Errorf("tag %q is taken", tag)
		}
	}
}
