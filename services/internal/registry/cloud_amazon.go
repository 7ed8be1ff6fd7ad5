package registry

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/plimsoll/plimsoll"
)

// fromAmazon asks ECR for its password (GetAuthorizationToken; it lasts 12 hours), signed with the AWS identity that the object
// store's client finds too: the AWS_… variables, the shared credentials file, the role of a pod (IRSA, Pod Identity), task or machine.
func (c *cloud) fromAmazon(ctx context.Context, now time.Time) (authn.AuthConfig, time.Duration, error) {
	region, endpoint := ecrEndpoint(c.host)
	if c.ecr != "" {
		endpoint = c.ecr
	}
	id, err := c.amazonIdentity(region)
	if err != nil {
		return authn.AuthConfig{}, 0, err
	}
	call := AmazonCall{Endpoint: endpoint, Region: region, Service: "ecr", Target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", version: "1.1"}
	req, err := call.request("{}", id, now)
	if err != nil {
		return authn.AuthConfig{}, 0, err
	}
	var reply struct {
		AuthorizationData []struct {
			AuthorizationToken string  `json:"authorizationToken"`
			ExpiresAt          float64 `json:"expiresAt"`
		} `json:"authorizationData"`
	}
	if err := ask(ctx, c.remote, "ECR authorization token", req, &reply); err != nil {
		return authn.AuthConfig{}, 0, fmt.Errorf("%w; the role needs ecr:GetAuthorizationToken", err)
	}
	if len(reply.AuthorizationData) == 0 {
		return authn.AuthConfig{}, 0, fmt.Errorf("ECR authorization token: %w reply: it holds none", plimsoll.ErrInvalid)
	}
	b, err := base64.StdEncoding.DecodeString(reply.AuthorizationData[0].AuthorizationToken)
	user, password, ok := strings.Cut(string(b), ":")
	if err != nil || !ok {
		return authn.AuthConfig{}, 0, fmt.Errorf("ECR authorization token: %w reply: it is not user:password", plimsoll.ErrInvalid)
	}
	life := time.Unix(int64(reply.AuthorizationData[0].ExpiresAt), 0).Sub(now)
	return authn.AuthConfig{Username: user, Password: password}, max(life, time.Minute), nil
}

// ecrEndpoint is the region of a registry, and where ECR's API of that region is.
func ecrEndpoint(host string) (region, endpoint string) {
	m := ecrHost.FindStringSubmatch(host)
	if m == nil {
		return "", ""
	}
	fips, region, domain := m[1], m[2], m[3]
	switch {
	case fips != "":
		return region, "https://ecr-fips." + region + "." + domain
	case domain == "on.aws":
		return region, "https://ecr." + region + ".api.aws"
	}
	return region, "https://api.ecr." + region + "." + domain
}

// amazonIdentity is found as Amazon's own programs find it; errNoIdentity is returned where there is none.
func (c *cloud) amazonIdentity(region string) (credentials.Value, error) {
	chain := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Region: region}})
	id, err := chain.GetWithContext(&credentials.CredContext{Client: c.local})
	if err != nil {
		return id, fmt.Errorf("AWS identity: %w: %w", plimsoll.ErrUnavailable, err)
	}
	if id.AccessKeyID == "" {
		return id, errNoIdentity
	}
	return id, nil
}

// AmazonCall is one operation of a service that speaks a JSON protocol of Amazon's.
type AmazonCall struct {
	Endpoint        string // scheme and host
	Region, Service string // what the signature is for
	Target          string // the operation, as AmazonSQS.ReceiveMessage
	version         string // of the protocol; empty: 1.0
}

// request is the signed request (AWS Signature Version 4).
func (a AmazonCall) request(body string, id credentials.Value, now time.Time) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, a.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w address", a.Target, plimsoll.ErrInvalid)
	}
	stamp := now.UTC().Format("20060102T150405Z")
	headers := [][2]string{ // sorted by name, as the signature wants them
		{"content-type", "application/x-amz-json-" + cmp.Or(a.version, "1.0")},
		{"host", req.URL.Host},
		{"x-amz-date", stamp},
	}
	if id.SessionToken != "" {
		headers = append(headers, [2]string{"x-amz-security-token", id.SessionToken})
	}
	headers = append(headers, [2]string{"x-amz-target", a.Target})
	for _, h := range headers {
		req.Header.Set(h[0], h[1])
	}
	req.Header.Set("Authorization", signature(http.MethodPost, headers, body, a.Region, a.Service, id, stamp))
	return req, nil
}

// signature is the Authorization header of a request to "/" with these headers, sorted by name.
func signature(method string, headers [][2]string, body, region, service string, id credentials.Value, stamp string) string {
	var canonical strings.Builder
	var names []string
	for _, h := range headers {
		fmt.Fprintf(&canonical, "%s:%s\n", h[0], h[1])
		names = append(names, h[0])
	}
	signed := strings.Join(names, ";")
	request := strings.Join([]string{method, "/", "", canonical.String(), signed, hexSum(body)}, "\n")
	scope := strings.Join([]string{stamp[:8], region, service, "aws4_request"}, "/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hexSum(request)}, "\n")
	key := []byte("AWS4" + id.SecretAccessKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", id.AccessKeyID, scope, signed, hex.EncodeToString(mac(key, text)))
}

func hexSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, text)
	return h.Sum(nil)
}
