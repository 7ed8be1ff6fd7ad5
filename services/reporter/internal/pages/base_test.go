package pages

import (
	"regexp"
	"strings"
	"testing"
)

// TestBaseCell: a base has its age and says what that is; a click keeps the list's other conditions; one that is not known is no
// empty cell.
func TestBaseCell(t *testing.T) {
	t.Parallel()
	b := open(t, 120)
	text := b.page("/images?verdict=fail&verdict=warn&verdict=unknown&scope=stored&sort=name")
	cells := regexp.MustCompile(`<td class="mono name lo base">(.*?)</td>`).FindAllStringSubmatch(text, -1)
	count := map[string]int{}
	for _, m := range cells {
		switch cell := m[1]; {
		case strings.Contains(cell, "<a href="):
			if !strings.Contains(cell, "verdict=fail") || !strings.Contains(cell, "base=sha256") {
				t.Errorf("a click on a base leads elsewhere: %s", cell)
			}
			if !strings.Contains(cell, "first seen here 2026-") {
				t.Errorf("it is not said what its age is: %s", cell)
			}
			count["base"]++
		case strings.Contains(cell, "#i-unknown"):
			count["unknown"]++
		default:
			t.Errorf("neither a base nor unknown: %q", cell)
		}
	}
	if count["base"] == 0 || count["unknown"] == 0 {
		t.Errorf("%v of %d cells", count, len(cells))
	}
	for _, want := range []string{"<span>7 d</span>", "newer exists"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
}
