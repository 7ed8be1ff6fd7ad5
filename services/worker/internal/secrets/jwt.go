package secrets

import (
	"github.com/google/osv-scalibr/veles"
	"github.com/google/osv-scalibr/veles/secrets/azuretoken"
	"github.com/google/osv-scalibr/veles/secrets/common/jwt"
	"github.com/google/osv-scalibr/veles/secrets/hcp"
	"github.com/google/osv-scalibr/veles/secrets/supabase"
)

// jwtRule finds JSON web tokens (RFC 7519), whoever issued them. A second object follows the first after a dot, and both
// begin with {" in base64: ".eyJ" is rarer than "eyJ" alone, which each inline source map has.
const jwtRule = "jwttoken"

// issuers are rules for tokens of one issuer: each looks at the tokens found, not at the text again.
type issuer struct {
	rule     string
	detector veles.Detector
}

func webTokens() rule {
	issuers := []issuer{
		{"azuretoken", azuretoken.NewDetector()},
		{"hcpaccesstoken", hcp.NewAccessTokenDetector()},
		{"supabaseservicerolejwt", supabase.NewServiceRoleJWTDetector()},
	}
	return rule{
		name: jwtRule, literals: exact(".eyJ"), back: jwt.MaxTokenLength, ahead: jwt.MaxTokenLength, generic: true,
		also:   []string{"azuretoken", "hcpaccesstoken", "supabaseservicerolejwt"},
		detect: func(text []byte) []match { return detectWebTokens(text, issuers) },
	}
}

func detectWebTokens(text []byte, issuers []issuer) (found []match) {
	tokens, at := jwt.ExtractTokens(text)
	for i, t := range tokens {
		m := match{start: at[i], end: at[i] + len(t.Raw()), value: t.Raw()}
		for _, by := range issuers {
			if s, _ := by.detector.Detect([]byte(t.Raw())); len(s) > 0 {
				m.rule = by.rule
				break
			}
		}
		found = append(found, m)
	}
	return found
}
