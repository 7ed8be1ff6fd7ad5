package secrets

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	mathrand "math/rand/v2"
	"strings"
	"testing"
)

// sample is a made-up secret of one rule, as a file shows it. The values are made when the test runs, so that the sources
// hold nothing that looks like one.
type sample struct {
	rule  string
	text  string // lines
	value string
	line  int // of the value within text, from 0
}

// maker makes random values; the same seed makes the same.
type maker struct{ *mathrand.Rand }

func newMaker(seed uint64) maker { return maker{mathrand.New(mathrand.NewPCG(seed, 47))} }

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alnum  = upper + lower + digits
	hexa   = digits + "abcdef"
)

func (m maker) of(set string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = set[m.IntN(len(set))]
	}
	return string(b)
}

func (m maker) uuid() string {
	return strings.Join([]string{m.of(hexa, 8), m.of(hexa, 4), m.of(hexa, 4), m.of(hexa, 4), m.of(hexa, 12)}, "-")
}

// checked is a GitHub token: its last six characters are the checksum of the others, in base 62.
func (m maker) checked(prefix string, n int) string {
	content := m.of(alnum, n-6)
	sum, tail := crc32.ChecksumIEEE([]byte(content)), ""
	for range 6 {
		tail, sum = string((digits + upper + lower)[sum%62])+tail, sum/62
	}
	return prefix + content + tail
}

func (m maker) webToken(claims map[string]any) string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(map[string]any{"alg": "HS256", "typ": "JWT"}) + "." + part(claims) + "." + m.of(alnum, 43)
}

// samples are at least one for each rule, and for each of its literals.
func samples(t testing.TB, seed uint64) (all []sample) {
	t.Helper()
	m := newMaker(seed)
	add := func(rule, format, value string) {
		text := fmt.Sprintf(format, value)
		all = append(all, sample{rule, text, value, strings.Count(text[:max(0, strings.Index(text, value))], "\n")})
	}
	m.tokens(add)
	m.tuples(add)
	m.forms(add)
	return append(all, m.keys(t)...)
}

func (m maker) tokens(add func(rule, format, value string)) {
	for _, c := range []struct{ rule, value string }{
		{"anthropicapikey", "sk-ant-" + "api03-" + m.of(alnum, 80)},
		{"anthropicapikey", "sk-ant-" + "admin01-" + m.of(alnum, 80)},
		{"circlecipat", "CCIPAT_" + m.of(alnum, 22) + "_" + m.of(hexa, 40)},
		{"circleciproject", "CCIPRJ_" + m.of(alnum, 22) + "_" + m.of(hexa, 40)},
		{"cratesioapitoken", "cio" + m.of(alnum, 32)},
		{"cursorapikey", "key_" + m.of(lower+digits, 64)},
		{"denopatorg", "ddo_" + m.of(alnum, 36)},
		{"denopatuser", "ddp_" + m.of(alnum, 36)},
		{"digitaloceanapikey", "dop_v1_" + m.of(hexa, 64)},
		{"dockerhubpat", "dckr_pat_" + m.of(alnum, 27)},
		{"elasticcloudapikey", "essu_" + m.of(alnum, 92)},
		{"gcpapikey", "AIzaSy" + "A" + m.of(alnum, 32)},
		{"gcpexpressmode", "AQ.Ab8R" + m.of(alnum, 46)},
		{"gcpoauth2accesstoken", "ya29." + m.of(alnum, 120)},
		{"githubapprefreshtoken", m.checked("ghr_", 76)},
		{"githubapps2stoken", m.checked("ghs_", 36)},
		{"githubappu2stoken", m.checked("ghu_", 36)},
		{"githubclassicpat", m.checked("ghp_", 36)},
		{"githubfinegrainedpat", "github_pat_" + m.of(alnum, 22) + "_" + m.of(alnum, 59)},
		{"githuboauthtoken", m.checked("gho_", 36)},
		{"gitlabpat", "glpat-" + m.of(alnum, 20)},
		{"grokxaiapikey", "xai-" + m.of(alnum, 80)},
		{"grokxaimanagementkey", "xai-token-" + m.of(alnum, 80)},
		{"hashicorpvaulttoken", "hvs." + m.of(alnum, 90)},
		{"hashicorpvaulttoken", "hvb." + m.of(alnum, 90)},
		{"herokuplatformkey", "HRKU-" + m.of(alnum, 60)},
		{"huggingfaceapikey", "hf_" + m.of(upper+lower, 34)},
		{"npmjsaccesstoken", "npm_" + m.of(alnum, 36)},
		{"onepasswordrecoverycode", "1PRK" + strings.Repeat("-"+m.of(upper+digits, 4), 13)},
		{"onepasswordsecretkey", "A3-" + m.of(upper, 6) + "-" + m.of(upper, 11) + strings.Repeat("-"+m.of(upper, 5), 3)},
		{"onepasswordservicetoken", "ops_eyJ" + m.of(alnum, 260)},
		{"openai", "sk-proj-" + m.of(alnum, 60) + "T3BlbkFJ" + m.of(alnum, 60)},
		{"openrouter", "sk-or-v1-" + m.of(hexa, 64)},
		{"packagistconductorupdatetoken", "packagist_cut_" + m.of(hexa, 68)},
		{"packagistorgreadtoken", "packagist_ort_" + m.of(hexa, 68)},
		{"packagistorgupdatetoken", "packagist_out_" + m.of(hexa, 68)},
		{"packagistuserupdatetoken", "packagist_uut_" + m.of(hexa, 68)},
		{"paystacksecretkey", "sk_test_" + m.of(lower+digits, 40)},
		{"perplexityapikey", "pplx-" + m.of(alnum, 48)},
		{"postmanapikey", "PMAK-" + m.of(hexa, 24) + "-" + m.of(hexa, 34)},
		{"postmancollectiontoken", "PMAT-" + m.of(upper+digits, 26)},
		{"pypiapitoken", "pypi-" + m.of(alnum, 150)},
		{"pyxkeyv1", "sk-pyx-" + "1" + m.of(alnum, 63)},
		{"pyxkeyv2", "sk-pyx-2" + m.of(upper+lower, 45)},
		{"rubygemsapikey", "rubygems_" + m.of(hexa, 48)},
		{"salesforceoauth2access", "00D" + m.of(alnum, 12) + "!" + m.of(alnum, 90)},
		{"sendgrid", "SG." + m.of(alnum, 22) + "." + m.of(alnum, 43)},
		{"slackappconfigaccesstoken", "xoxe.xoxp-" + "1-" + m.of(alnum, 166)},
		{"slackappconfigrefreshtoken", "xoxe-" + "1-" + m.of(alnum, 147)},
		{"slackappleveltoken", "xapp-" + "1-" + m.of(upper, 11) + "-" + m.of(digits, 13) + "-" + m.of(hexa, 64)},
		{"slacktoken", "xoxa-" + m.of(digits, 12) + "-" + m.of(alnum, 32)},
		{"slacktoken", "xoxb-" + m.of(digits, 12) + "-" + m.of(digits, 13) + "-" + m.of(alnum, 24)},
		{"slacktoken", "xoxp-" + m.of(digits, 12) + "-" + m.of(digits, 12) + "-" + m.of(digits, 13) + "-" + m.of(hexa, 32)},
		{"squareoauthapplicationsecret", "sq0csp-" + m.of(alnum, 43)},
		{"striperestrictedkey", "rk_live_" + m.of(alnum, 99)},
		{"stripesecretkey", "sk_live_" + m.of(alnum, 99)},
		{"stripewebhooksecret", "whsec_" + m.of(alnum, 32)},
		{"supabasepat", "sbp_" + m.of(hexa, 40)},
	} {
		add(c.rule, "# settings\ntoken: \"%s\"\n", c.value)
	}
}

func (m maker) tuples(add func(rule, format, value string)) {
	secret := func() string { return m.of(alnum, 20) + "/+" + m.of(alnum, 17) + "7" }
	salesID := "3MVG" + m.of(alnum, 60)
	add("awsaccesskey", "[default]\naws_access_key_id = "+"AKIA"+m.of(upper, 16)+"\naws_secret_access_key = %s\n", secret())
	add("awsaccesskey", "export AWS_SECRET_ACCESS_KEY=%s\nexport AWS_ACCESS_KEY_ID="+"ASIA"+m.of(upper, 16)+"\n", secret())
	add("azurestorageaccountaccesskey", "azure_storage_key:\n  '%s'\n", m.of(alnum, 86)+"==")
	add("azurestorageaccountaccesskey", "az  storage account list\n# '%s'\n", m.of(alnum, 86)+"==")
	add("bitwardenoauth2access", `{"user_`+m.uuid()+`_token_apiKeyClientSecret": "%s"}`+"\n", m.of(alnum, 30))
	for _, name := range []string{"CLOUDFLARE_API_TOKEN", "cf_api_key", "CF_TOKEN", "CF_ACCOUNT_ID"} {
		add("cloudflareapitoken", name+"=%s\n", m.of(alnum, 40))
	}
	add("discordbottoken", "# Discord\nbot = %s\n", "M"+m.of(alnum, 23)+"."+m.of(alnum, 6)+"."+m.of(alnum, 27))
	add("dockerhubpat", "docker login -u joe -p %s\n", "dckr_pat_"+m.of(alnum, 27))
	add("gcpoauth2clientcredentials", "id: "+m.of(digits, 12)+"-"+m.of(lower, 32)+".apps.googleusercontent.com\nsecret: %s\n", "GOCSPX-"+m.of(alnum, 28))
	add("gcshmackey", "id: "+"GOOG"+m.of(upper, 57)+"\nsecret: %s\n", secret())
	for _, name := range []string{"secret_id", "SecretId", "secret-id"} {
		add("hashicorpvaultapprole", "role_id: "+m.uuid()+"\n"+name+": %s\n", m.uuid())
	}
	for _, name := range []string{"HCP_CLIENT_SECRET", "hcp_client_secret"} {
		add("hcpclientcredentials", "HCP_CLIENT_ID="+m.of(alnum, 32)+"\n"+name+"=%s\n", m.of(alnum, 64))
	}
	add("mistralapikey", "export MISTRAL_API_KEY=%s\n", m.of(alnum, 32))
	add("packagistsecret", "key: "+"packagist_ack_"+m.of(hexa, 32)+"\nsecret: %s\n", "packagist_acs_"+m.of(hexa, 80))
	add("salesforceoauth2client", salesID+"\nclient_secret=%s\nhttps://acme.my.salesforce.com\n", m.of(alnum, 64))
	add("salesforceoauth2refresh", salesID+"\nclient_secret="+m.of(alnum, 64)+"\nrefresh_token=%s\n", m.of(alnum, 80))
	add("squareoauthapplicationsecret", "sq0idp-"+m.of(alnum, 22)+"\n%s\n", "sq0csp-"+m.of(alnum, 43))
	add("supabaseprojectsecretkey", "https://"+m.of(lower, 20)+".supabase.co\n%s\n", "sb_secret_"+m.of(alnum, 36))
	for _, name := range []string{"Telegram", "tgram"} {
		add("telegrambotapitoken", name+"\n%s\n", m.of(digits, 10)+":"+m.of(alnum, 35))
	}
}

func (m maker) forms(add func(rule, format, value string)) {
	for host, rule := range map[string]string{
		"bitbucket.org/a/b.git": "bitbucket", "git.us.codecatalyst.aws/v1/a": "codecatalyst",
		"git-codecommit.us-east-1.amazonaws.com/v1/a": "codecommit", "db.internal:5432/a": "urlcreds",
	} {
		add(rule, "url = https://joe:%s@"+host+"\n", m.of(alnum, 30))
	}
	add("recaptchakey", "recaptcha:\n    site: 1\n    secret: %s\n", "6"+m.of(alnum, 39))
	add("recaptchakey", "RECAPTCHA_SECRET='%s'\n", "6"+m.of(alnum, 39))
	microsoft := "https://login.microsoftonline.com/" + m.uuid() + "/v2.0"
	add("azuretoken", "access: %s\n", m.webToken(map[string]any{"iss": microsoft, "scp": "User.Read"}))
	add("hcpaccesstoken", "access: %s\n", m.webToken(map[string]any{
		"iss": "https://auth.idp.hashicorp.com/", "aud": "https://api.hashicorp.cloud", "gty": "client-credentials",
	}))
	add("supabaseservicerolejwt", "access: %s\n", m.webToken(map[string]any{"iss": "supabase", "role": "service_role"}))
	add("jwttoken", "access: %s\n", m.webToken(map[string]any{"iss": "us", "n": m.of(alnum, 12)}))
}

// keys are the samples whose value does not stand in the text as it is.
func (m maker) keys(t testing.TB) (all []sample) {
	t.Helper()
	password := m.of(alnum, 20)
	basic := base64.StdEncoding.EncodeToString([]byte("joe:" + password))
	all = append(all, sample{"httpbasicauth", "GET / HTTP/1.1\nAuthorization: Basic " + basic + "\n", password, 1})
	for rule, token := range map[string]string{
		"githubapprefreshtoken": m.checked("ghr_", 76), "githubapps2stoken": m.checked("ghs_", 36),
		"githubappu2stoken": m.checked("ghu_", 36), "githubclassicpat": m.checked("ghp_", 36),
		"githuboauthtoken":     m.checked("gho_", 36),
		"githubfinegrainedpat": "github_pat_" + m.of(alnum, 22) + "_" + m.of(alnum, 59),
	} {
		// veles decodes whole groups of four only: a longer run of base64 ends where the token does
		all = append(all, sample{rule, "data:\n" + encoded(token) + "\n", token, 1})
	}
	block, body := pemKey8(t)
	all = append(all, sample{"privatekey", "# key\n" + block, body, 1})
	block, body = pemKey8(t)
	account, _ := json.MarshalIndent(map[string]string{
		"type": "service_account", "private_key_id": m.of(hexa, 40), "private_key": block, "client_email": "a@b.c",
	}, "", "  ")
	all = append(all, sample{"gcpsak", string(account) + "\n", body, 2})
	ordered := "{\n  \"type\": \"service_account\",\n" + strings.TrimPrefix(string(account), "{\n")
	return append(all, sample{"gcpsak", "key: " + base64.RawStdEncoding.EncodeToString([]byte(ordered)) + "\n", body, 0})
}

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// pemKey8 is a new private key in PKCS #8, and its base64 without line ends and padding.
func pemKey8(t testing.TB) (block, body string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", nil, der)
}

func pemOf(label string, headers map[string]string, der []byte) (block, body string) {
	text := pem.EncodeToMemory(&pem.Block{Type: label, Headers: headers, Bytes: der})
	return string(text), base64.RawStdEncoding.EncodeToString(der)
}
