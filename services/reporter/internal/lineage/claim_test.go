package lineage

import "testing"

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		claim        Claim
		digest, name []Node
		want         ClaimState
	}{
		"the digest of a base":         {Claim{Name: "debian:12", Digest: "sha256:aa"}, []Node{9, 2}, nil, Confirmed},
		"the digest of another image":  {Claim{Name: "debian:12", Digest: "sha256:aa"}, []Node{9}, []Node{2}, Refuted},
		"a digest that nobody knows":   {Claim{Name: "debian:12", Digest: "sha256:aa"}, nil, []Node{2}, Unverifiable},
		"the tag of a base":            {Claim{Name: "debian:12"}, nil, []Node{9, 3}, Confirmed},
		"a tag that holds another now": {Claim{Name: "debian:12"}, nil, []Node{9}, Unverifiable},
		"a tag that nobody knows":      {Claim{Name: "debian:12"}, nil, nil, Unverifiable},
	} {
		if got := tt.claim.Check([]Node{2, 3}, tt.digest, tt.name); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
