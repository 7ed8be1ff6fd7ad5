package posture

import "github.com/plimsoll/plimsoll/services/reporter/internal/match"

// Matcher is what the findings of this view were made with: it explains them.
func (v *View) Matcher() *match.Matcher { return v.matcher }
