package secrets

import (
	"regexp"

	"github.com/google/osv-scalibr/veles"
	"github.com/google/osv-scalibr/veles/secrets/common/simpletoken"
)

// slackRe matches Slack's bot, user and legacy workspace tokens: numbers of the workspace, the user and the token, then 24
// to 64 characters at random (Slack's documentation, "Token types", shows their prefixes).
var slackRe = regexp.MustCompile(`xox[abp](?:-[0-9]{9,14}){1,3}-[A-Za-z0-9]{24,64}`)

// slackToken is the secret as a detector of veles returns it.
type slackToken struct{ Token string }

func slackTokens() rule {
	const longest = len("xoxb") + 3*len("-12345678901234") + len("-") + 64
	return token("slacktoken", simpletoken.Detector{
		MaxLen: uint32(longest), Re: slackRe,
		FromMatch: func(b []byte) (veles.Secret, bool) { return slackToken{string(b)}, true },
	}, "Token", exact("xoxa-", "xoxb-", "xoxp-")...)
}
