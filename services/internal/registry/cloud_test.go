package registry

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/plimsoll/plimsoll"
)

// TestProviders tells the clouds' registries from others, and the endpoints of ECR.
func TestProviders(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]provider{
		"gcr.io": googleCloud, "eu.gcr.io": googleCloud, "europe-west1-docker.pkg.dev": googleCloud, "notgcr.io": noCloud, "gcr.io.example.com": noCloud,
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com": amazonCloud, "123456789012.dkr-ecr.eu-central-1.on.aws": amazonCloud, "public.ecr.aws": noCloud,
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com.example.com": noCloud, "team.azurecr.io": azureCloud, "azurecr.io": noCloud, "127.0.0.1": noCloud,
	} {
		if got := providerOf(host); got != want {
			t.Errorf("%s: %d, want %d", host, got, want)
		}
	}
	for host, want := range map[string]string{
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com":       "https://api.ecr.eu-central-1.amazonaws.com",
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "https://ecr-fips.us-gov-west-1.amazonaws.com",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":      "https://api.ecr.cn-north-1.amazonaws.com.cn",
		"123456789012.dkr-ecr.eu-west-1.on.aws":                 "https://ecr.eu-west-1.api.aws",
	} {
		if _, got := ecrEndpoint(host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// TestSignature has the vectors of Amazon's Signature Version 4 test suite that our requests are like.
func TestSignature(t *testing.T) {
	t.Parallel()
	id := credentials.Value{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	headers := [][2]string{{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}}
	for method, want := range map[string]string{
		http.MethodGet:  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		http.MethodPost: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
	} {
		got := signature(method, headers, "", "us-east-1", "service", id, "20150830T123600Z")
		if !strings.HasSuffix(got, "Signature="+want) || !strings.Contains(got, "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date") {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
	}
}

// service is a cloud's own: metadata or token service.
func service(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) string {
	s := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(s.Close)
	return s.URL
}

func cloudOf(p provider, host string, env map[string]string) *cloud {
	c := newCloud(host, "none")
	c.provider, c.getenv = p, func(name string) string { return env[name] }
	c.google, c.azure = nobody, nobody
	return c
}

func noExchange(context.Context, url.Values) (string, error) { return "", errors.New("not asked for") }

// TestGoogleIdentity has a service account's key, a user's, the machine's account, and none.
func TestGoogleIdentity(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	tokens := service(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		parts := strings.Split(r.PostFormValue("assertion"), ".")
		if len(parts) != 3 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
		claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
		if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) != nil || !strings.Contains(string(claims), `"iss":"robot@example"`) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"access_token":"from-key-%d","expires_in":3599,"token_type":"Bearer"}`, asked)
	})
	write := func(v map[string]string) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "key.json")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	account := write(map[string]string{"type": "service_account", "client_email": "robot@example", "token_uri": tokens,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	c := cloudOf(googleCloud, "gcr.io", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": account})
	for range 2 { // the second is remembered
		got, err := c.credentials(t.Context(), noExchange)
		if want := (authn.AuthConfig{Username: "oauth2accesstoken", Password: "from-key-1"}); err != nil || got != want {
			t.Errorf("service account: %+v, %v", got, err)
		}
	}
	metadata := service(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprint(w, `{"access_token":"from-machine","expires_in":600}`)
	})
	for name, tt := range map[string]struct {
		env  map[string]string
		at   string
		want string
		err  error
	}{
		"machine":              {map[string]string{"HOME": t.TempDir()}, metadata, "from-machine", nil},
		"nothing":              {map[string]string{"HOME": t.TempDir()}, nobody, "", nil},
		"a file that is gone":  {map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "/does/not/exist"}, metadata, "", plimsoll.ErrDenied},
		"a form we do not do":  {map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": write(map[string]string{"type": "external_account"})}, metadata, "", plimsoll.ErrUnsupported},
		"a key that is no key": {map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": write(map[string]string{"type": "service_account", "private_key": "x"})}, metadata, "", plimsoll.ErrDenied},
	} {
		c := cloudOf(googleCloud, "gcr.io", tt.env)
		c.google = tt.at
		got, err := c.credentials(t.Context(), noExchange)
		if got.Password != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, %v; want %q, %v", name, got, err, tt.want, tt.err)
		}
	}
}

// TestAmazonIdentity asks ECR with the AWS_… variables. It sets them for the process, so it is not parallel.
func TestAmazonIdentity(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"} {
		t.Setenv(name, value)
	}
	deny := false
	c := cloudOf(amazonCloud, "123456789012.dkr.ecr.eu-central-1.amazonaws.com", nil)
	c.ecr = service(t, func(w http.ResponseWriter, r *http.Request) {
		if deny || r.Header.Get("X-Amz-Target") != "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" || r.Header.Get("X-Amz-Security-Token") != "session" ||
			!strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/ecr/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q,"expiresAt":%d.5,"proxyEndpoint":"https://x"}]}`,
			base64.StdEncoding.EncodeToString([]byte("AWS:long")), time.Now().Add(12*time.Hour).Unix())
	})
	got, err := c.credentials(t.Context(), noExchange)
	if want := (authn.AuthConfig{Username: "AWS", Password: "long"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	deny, c.until = true, time.Time{}
	if _, err := c.credentials(t.Context(), noExchange); !errors.Is(err, plimsoll.ErrDenied) || !strings.Contains(err.Error(), "ecr:GetAuthorizationToken") || strings.Contains(err.Error(), "secret") {
		t.Errorf("refused: %v", err)
	}
}

// TestAzureIdentity has a client secret, a workload's token file that is changed between two requests (F36), and a machine's.
func TestAzureIdentity(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	put := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("first")
	login := service(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tenant/oauth2/v2.0/token" || r.PostFormValue("scope") != "https://management.azure.com/.default" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"access_token":"for-%s%s","expires_in":3599}`, r.PostFormValue("client_secret"), r.PostFormValue("client_assertion"))
	})
	machine := service(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata") != "true" || r.URL.Query().Get("resource") != "https://management.azure.com/" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, `{"access_token":"for-machine","expires_in":"86399"}`)
	})
	exchange := func(_ context.Context, fields url.Values) (string, error) {
		return "refresh-" + fields.Get("service") + "-" + fields.Get("access_token"), nil
	}
	set := map[string]string{"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client"}
	with := func(name, value string) map[string]string {
		env := map[string]string{name: value}
		for n, v := range set {
			env[n] = v
		}
		return env
	}
	workload := cloudOf(azureCloud, "team.azurecr.io", with("AZURE_FEDERATED_TOKEN_FILE", file))
	for i, want := range []string{"first", "second"} {
		workload.login, workload.until = login, time.Time{}
		got, err := workload.credentials(t.Context(), exchange)
		if err != nil || got.IdentityToken != "refresh-team.azurecr.io-for-"+want {
			t.Errorf("workload, %d: %+v, %v", i, got, err)
		}
		put("second\n")
	}
	for name, tt := range map[string]struct {
		env  map[string]string
		at   string
		want string
	}{
		"secret": {with("AZURE_CLIENT_SECRET", "pw"), nobody, "refresh-team.azurecr.io-for-pw"}, "machine": {nil, machine, "refresh-team.azurecr.io-for-machine"},
		"nothing": {nil, nobody, ""},
	} {
		c := cloudOf(azureCloud, "team.azurecr.io", tt.env)
		c.login, c.azure = login, tt.at
		if got, err := c.credentials(t.Context(), exchange); err != nil || got.IdentityToken != tt.want {
			t.Errorf("%s: %+v, %v; want %q", name, got, err, tt.want)
		}
	}
}

// TestAzureExchange has the registry exchange the token, through the guarded client.
func TestAzureExchange(t *testing.T) {
	t.Parallel()
	at := service(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/oauth2/exchange" || r.PostFormValue("access_token") != "aad" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"refresh_token":"acr"}`)
	})
	c, err := newClient(plimsoll.Registry{ID: "test", URL: at}, Options{}, quick())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.exchangeAzure(t.Context(), url.Values{"access_token": {"aad"}}); err != nil || got != "acr" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.exchangeAzure(t.Context(), url.Values{"access_token": {"other"}}); !errors.Is(err, plimsoll.ErrDenied) || strings.Contains(err.Error(), "other") {
		t.Errorf("refused: %v", err)
	}
}
