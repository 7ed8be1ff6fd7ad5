package secrets

import (
	"strings"

	"github.com/google/osv-scalibr/veles"
	"github.com/google/osv-scalibr/veles/secrets/anthropicapikey"
	"github.com/google/osv-scalibr/veles/secrets/awsaccesskey"
	"github.com/google/osv-scalibr/veles/secrets/azurestorageaccountaccesskey"
	"github.com/google/osv-scalibr/veles/secrets/bitwardenoauth2access"
	"github.com/google/osv-scalibr/veles/secrets/circleci"
	"github.com/google/osv-scalibr/veles/secrets/cloudflareapitoken"
	"github.com/google/osv-scalibr/veles/secrets/common/ntuple"
	"github.com/google/osv-scalibr/veles/secrets/cratesioapitoken"
	"github.com/google/osv-scalibr/veles/secrets/cursorapikey"
	"github.com/google/osv-scalibr/veles/secrets/denopat"
	"github.com/google/osv-scalibr/veles/secrets/digitaloceanapikey"
	"github.com/google/osv-scalibr/veles/secrets/discordbottoken"
	"github.com/google/osv-scalibr/veles/secrets/dockerhubpat"
	"github.com/google/osv-scalibr/veles/secrets/elasticcloudapikey"
	"github.com/google/osv-scalibr/veles/secrets/gcpapikey"
	"github.com/google/osv-scalibr/veles/secrets/gcpexpressmode"
	"github.com/google/osv-scalibr/veles/secrets/gcpoauth2access"
	"github.com/google/osv-scalibr/veles/secrets/gcpoauth2client"
	"github.com/google/osv-scalibr/veles/secrets/gcshmackey"
	"github.com/google/osv-scalibr/veles/secrets/gitbasicauth/bitbucket"
	"github.com/google/osv-scalibr/veles/secrets/gitbasicauth/codecatalyst"
	"github.com/google/osv-scalibr/veles/secrets/gitbasicauth/codecommit"
	"github.com/google/osv-scalibr/veles/secrets/github"
	"github.com/google/osv-scalibr/veles/secrets/gitlabpat"
	"github.com/google/osv-scalibr/veles/secrets/grokxaiapikey"
	"github.com/google/osv-scalibr/veles/secrets/hashicorpvault"
	"github.com/google/osv-scalibr/veles/secrets/hcp"
	"github.com/google/osv-scalibr/veles/secrets/herokuplatformkey"
	"github.com/google/osv-scalibr/veles/secrets/http"
	"github.com/google/osv-scalibr/veles/secrets/huggingfaceapikey"
	"github.com/google/osv-scalibr/veles/secrets/mistralapikey"
	"github.com/google/osv-scalibr/veles/secrets/npmjsaccesstoken"
	"github.com/google/osv-scalibr/veles/secrets/onepasswordkeys"
	"github.com/google/osv-scalibr/veles/secrets/openai"
	"github.com/google/osv-scalibr/veles/secrets/openrouter"
	"github.com/google/osv-scalibr/veles/secrets/packagist"
	"github.com/google/osv-scalibr/veles/secrets/paystacksecretkey"
	"github.com/google/osv-scalibr/veles/secrets/perplexityapikey"
	"github.com/google/osv-scalibr/veles/secrets/postmanapikey"
	"github.com/google/osv-scalibr/veles/secrets/pypiapitoken"
	"github.com/google/osv-scalibr/veles/secrets/pyxkeyv1"
	"github.com/google/osv-scalibr/veles/secrets/pyxkeyv2"
	"github.com/google/osv-scalibr/veles/secrets/recaptchakey"
	"github.com/google/osv-scalibr/veles/secrets/rubygemsapikey"
	"github.com/google/osv-scalibr/veles/secrets/salesforceoauth2access"
	"github.com/google/osv-scalibr/veles/secrets/salesforceoauth2client"
	"github.com/google/osv-scalibr/veles/secrets/salesforceoauth2refresh"
	"github.com/google/osv-scalibr/veles/secrets/sendgrid"
	"github.com/google/osv-scalibr/veles/secrets/slacktoken"
	"github.com/google/osv-scalibr/veles/secrets/squareapikey"
	"github.com/google/osv-scalibr/veles/secrets/stripeapikeys"
	"github.com/google/osv-scalibr/veles/secrets/supabase"
	"github.com/google/osv-scalibr/veles/secrets/telegrambotapitoken"
)

// table lists every rule. The literals are read off the detectors' expressions: no match is without one of its rule's. The
// names are those of osv-scalibr's plugins.
func table() []rule {
	var all []rule
	for _, part := range [][]rule{cloudRules(), forgeRules(), registryRules(), modelRules(), serviceRules(), formRules()} {
		all = append(all, part...)
	}
	return all
}

// cloudRules are keys of clouds and of what runs on them.
func cloudRules() []rule {
	aws := pairOf(awsaccesskey.NewDetector(), "Secret", 0)
	aws.once, aws.plain = true, notRandom
	gcs := pairOf(gcshmackey.NewDetector(), "Secret", 0)
	gcs.once, gcs.plain = true, notRandom
	azure := pairOf(azurestorageaccountaccesskey.NewDetector(), "Key", 1)
	azure.trim = ">'=?#"
	cloudflare := pairOf(cloudflareapitoken.NewDetector(), "Token", 1)
	cloudflare.plain = isHex
	approle := pairOf(hashicorpvault.NewAppRoleDetector(), "SecretID", 1)
	client := pairOf(hcp.NewPairDetector(), "ClientSecret", 1)
	google := pairOf(gcpoauth2client.NewDetector(), "Secret", 1)
	project := pairOf(supabase.NewProjectSecretKeyDetector(), "Key", 1)
	return []rule{
		near("awsaccesskey", 124, aws, having(both(starts, followed(4, 16, isAlnum)), exact("AKIA", "ASIA")...)...),
		near("azurestorageaccountaccesskey", 108, azure, append(folded("azure"), having(afterAz, folded("storage")...)...)...),
		near("cloudflareapitoken", 40, cloudflare, folded("cloudflare_", "cf_api_", "cf_token", "cf_account_id")...),
		token("digitaloceanapikey", digitaloceanapikey.NewDetector(), "Key", exact("dop_v1_")...),
		token("gcpapikey", gcpapikey.NewDetector(), "Key", exact("AIzaSy")...),
		token("gcpexpressmode", gcpexpressmode.NewDetector(), "Key", exact("AQ.Ab8R")...),
		token("gcpoauth2accesstoken", gcpoauth2access.NewDetector(), "Token", exact("ya29.")...),
		near("gcpoauth2clientcredentials", 200, google, exact("GOCSPX-")...),
		serviceAccountKeys(),
		near("gcshmackey", 61, gcs, having(followed(4, 20, isAlnum), exact("GOOG")...)...),
		near("hashicorpvaultapprole", 86, approle, folded("secretid", "secret_id", "secret-id")...),
		vaultTokens(),
		near("hcpclientcredentials", 160, client, exact("HCP_CLIENT_SECRET", "hcp_client_secret")...),
		token("herokuplatformkey", herokuplatformkey.NewSecretKeyDetector(), "Key", exact("HRKU-")...),
		token("supabasepat", supabase.NewPATDetector(), "Token", exact("sbp_")...),
		near("supabaseprojectsecretkey", 50, project, exact("sb_secret_")...),
	}
}

// forgeRules are tokens of code forges and their builders.
func forgeRules() []rule {
	return []rule{
		gitURL("bitbucket", bitbucket.NewDetector(), "@bitbucket.org/"),
		gitURL("codecatalyst", codecatalyst.NewDetector(), "codecatalyst.aws/"),
		gitURL("codecommit", codecommit.NewDetector(), "@git-codecommit."),
		token("circlecipat", circleci.NewPersonalAccessTokenDetector(), "Token", exact("CCIPAT_")...),
		token("circleciproject", circleci.NewProjectTokenDetector(), "Token", exact("CCIPRJ_")...),
		token("githubapprefreshtoken", github.NewAppRefreshTokenDetector(), "Token", exact("ghr_", "Z2hyX")...),
		token("githubapps2stoken", github.NewAppS2STokenDetector(), "Token", exact("ghs_", "Z2hzX")...),
		token("githubappu2stoken", github.NewAppU2SDetector(), "Token", exact("ghu_", "Z2h1X")...),
		token("githubclassicpat", github.NewClassicPATDetector(), "Token", exact("ghp_", "Z2hwX")...),
		token("githubfinegrainedpat", github.NewFineGrainedPATDetector(), "Token", exact("github_pat_", "Z2l0aHViX3BhdF")...),
		token("githuboauthtoken", github.NewOAuthTokenDetector(), "Token", exact("gho_", "Z2hvX")...),
		costly(64, token("gitlabpat", gitlabpat.NewDetector(), "Pat", exact("glpat-")...)), // [...]{27,300}
	}
}

// registryRules are tokens of package registries.
func registryRules() []rule {
	docker := pairOf(dockerhubpat.NewDetector(), "Pat", 0)
	secret := pairOf(packagist.NewAPISecretDetector(), "Secret", 0)
	read := pairOf(packagist.NewOrgReadTokenDetector(), "Token", 0)
	update := pairOf(packagist.NewOrgUpdateTokenDetector(), "Token", 0)
	user := tupleOf(packagist.NewUserUpdateTokenDetector(), "Token")
	user.finders = user.finders[:1] // the user name and the URL, if there are, tell nothing more of the token
	user.complete = func(m []ntuple.Match) (veles.Secret, bool) { return user.partial(m[0]) }
	crate := both(starts, followed(3, 32, isToken))
	return []rule{
		token("cratesioapitoken", cratesioapitoken.NewDetector(), "Token", having(crate, exact("cio")...)...),
		token("denopatorg", denopat.NewOrgTokenDetector(), "Pat", exact("ddo_")...),
		token("denopatuser", denopat.NewUserTokenDetector(), "Pat", exact("ddp_")...),
		near("dockerhubpat", 100, docker, exact("dckr_pat_")...),
		token("npmjsaccesstoken", npmjsaccesstoken.NewDetector(), "Token", having(followed(4, 36, isAlnum), exact("npm_")...)...),
		token("packagistconductorupdatetoken", packagist.NewConductorUpdateTokenDetector(), "Token", exact("packagist_cut_")...),
		near("packagistorgreadtoken", 100, read, exact("packagist_ort_")...),
		near("packagistorgupdatetoken", 100, update, exact("packagist_out_")...),
		near("packagistsecret", 100, secret, exact("packagist_ack_")...),
		near("packagistuserupdatetoken", 100, user, exact("packagist_uut_")...),
		token("pypiapitoken", pypiapitoken.NewDetector(), "Token", exact("pypi-")...),
		token("pyxkeyv1", pyxkeyv1.NewDetector(), "Key", exact("sk-pyx-")...),
		token("pyxkeyv2", pyxkeyv2.NewDetector(), "Key", exact("sk-pyx-2")...),
		token("rubygemsapikey", rubygemsapikey.NewDetector(), "Key", exact("rubygems_")...),
	}
}

// modelRules are keys of language models and their hubs.
func modelRules() []rule {
	mistral := pairOf(mistralapikey.NewDetector(), "Key", 1)
	mistral.plain = isHex // an MD5 sum
	return []rule{
		token("anthropicapikey", anthropicapikey.NewDetector(), "Key", exact("sk-ant-")...),
		token("cursorapikey", cursorapikey.NewDetector(), "Key", having(both(starts, followed(4, 64, isAlnum)), exact("key_")...)...),
		token("grokxaiapikey", grokxaiapikey.NewAPIKeyDetector(), "Key", exact("xai-")...),
		token("grokxaimanagementkey", grokxaiapikey.NewManagementKeyDetector(), "Key", exact("xai-token-")...),
		token("huggingfaceapikey", huggingfaceapikey.NewDetector(), "Key", having(followed(3, 34, isLetter), exact("hf_")...)...),
		near("mistralapikey", 32, mistral, folded("mistral")...),
		around("openai", openai.NewDetector(), "Key", exact("T3BlbkFJ")...),
		token("openrouter", openrouter.NewDetector(), "Key", exact("sk-or-v")...),
		token("perplexityapikey", perplexityapikey.NewDetector(), "Key", exact("pplx-")...),
	}
}

// serviceRules are keys of other services.
func serviceRules() []rule {
	bitwarden := pairOf(bitwardenoauth2access.NewDetector(), "ClientSecret", 0)
	discord := pairOf(discordbottoken.NewDetector(), "Token", 1)
	square := pairOf(squareapikey.NewOAuthApplicationSecretDetector(), "Key", 1)
	telegram := pairOf(telegrambotapitoken.NewDetector(), "Token", 0)
	sales := tupleOf(salesforceoauth2client.NewDetector(), "Secret")
	refresh := tupleOf(salesforceoauth2refresh.NewDetector(), "Refresh")
	captcha := costly(8, around("recaptchakey", recaptchakey.NewDetector(), "Secret",
		having(ahead(maxCheck, "secret", "private"), folded("captcha")...)...))
	return []rule{
		near("bitwardenoauth2access", 100, bitwarden, exact("_token_apiKeyClientSecret")...),
		near("discordbottoken", 100, discord, folded("discord")...),
		token("elasticcloudapikey", elasticcloudapikey.NewDetector(), "Key", exact("essu_")...),
		token("onepasswordrecoverycode", onepasswordkeys.NewRecoveryTokenDetector(), "Key", exact("1PRK-")...),
		token("onepasswordsecretkey", onepasswordkeys.NewSecretKeyDetector(), "Key", having(followed(3, 6, isAlnum), exact("A3-")...)...),
		token("onepasswordservicetoken", onepasswordkeys.NewServiceTokenDetector(), "Key", exact("ops_eyJ")...),
		token("paystacksecretkey", paystacksecretkey.NewSecretKeyDetector(), "Key", having(both(starts, followed(3, 1, isLetter)), exact("sk_")...)...),
		token("postmanapikey", postmanapikey.NewAPIKeyDetector(), "Key", exact("PMAK-")...),
		token("postmancollectiontoken", postmanapikey.NewCollectionTokenDetector(), "Key", exact("PMAT-")...),
		captcha,
		token("salesforceoauth2access", salesforceoauth2access.NewDetector(), "Token", having(both(starts, followed(3, 8, isAlnum)), exact("00D")...)...),
		near("salesforceoauth2client", 184, sales, having(starts, exact("3MVG")...)...),
		near("salesforceoauth2refresh", 184, refresh, having(starts, exact("3MVG")...)...),
		token("sendgrid", sendgrid.NewDetector(), "Key", having(followed(3, 22, isToken), exact("SG.")...)...),
		token("slackappconfigaccesstoken", slacktoken.NewAppConfigAccessTokenDetector(), "Token", exact("xoxe.xoxp-")...),
		token("slackappconfigrefreshtoken", slacktoken.NewAppConfigRefreshTokenDetector(), "Token", exact("xoxe-")...),
		token("slackappleveltoken", slacktoken.NewAppLevelTokenDetector(), "Token", exact("xapp-")...),
		slackTokens(),
		near("squareoauthapplicationsecret", 50, square, exact("sq0csp-")...),
		token("striperestrictedkey", stripeapikeys.NewRestrictedKeyDetector(), "Key", exact("rk_live_")...),
		token("stripesecretkey", stripeapikeys.NewSecretKeyDetector(), "Key", exact("sk_live_")...),
		token("stripewebhooksecret", stripeapikeys.NewWebhookSecretDetector(), "Key", exact("whsec_")...),
		near("telegrambotapitoken", 46, telegram, folded("telegram", "tgram")...),
	}
}

// formRules find secrets by their form, whoever issued them.
func formRules() []rule {
	basic := token("httpbasicauth", http.NewBasicAuthDetector(), "Password",
		having(ahead(maxCheck, "basic"), folded("authorization")...)...)
	basic.generic = true
	return []rule{basic, costly(8, webTokens()), privateKeys(), urlPasswords()}
}

// vaultTokens keeps the tokens with the prefixes of HashiCorp Vault 1.10 and later. The older ones of veles' expression,
// "s.", "b." and "r." within any word, are also every long method name of minified code.
func vaultTokens() rule {
	r := token("hashicorpvaulttoken", hashicorpvault.NewTokenDetector(), "Token", exact("hvs.", "hvb.")...)
	all := r.detect
	r.detect = func(text []byte) (found []match) {
		for _, m := range all(text) {
			if strings.HasPrefix(m.value, "hv") {
				found = append(found, m)
			}
		}
		return found
	}
	return r
}

// gitURL finds clone URLs of one host; the value is the password in it.
func gitURL(name string, d veles.Detector, host string) rule {
	r := around(name, d, "FullURL", exact(host)...)
	r.detect = func(text []byte) (found []match) {
		secrets, at := d.Detect(text)
		for i := range secrets {
			if m := urlCreds.FindSubmatchIndex(text[at[i]:]); m != nil && m[0] == 0 {
				start, end := at[i]+m[4], at[i]+m[5]
				found = append(found, match{start: start, end: end, value: string(text[start:end])})
			}
		}
		return found
	}
	return r
}

// afterAz: the literal "storage" follows "az" and white space.
func afterAz(text []byte, at int) bool {
	before := strings.TrimRight(string(text[max(0, at-maxCheck):at]), " \t\r\n\f")
	return len(before) < min(at, maxCheck) && strings.HasSuffix(strings.ToLower(before), "az")
}

func costly(cost int, r rule) rule {
	r.cost = cost
	return r
}

// isHex tells checksums from keys: a random key of letters and digits is all hexadecimal once in 10^19.
func isHex(v string) bool {
	return strings.Trim(v, "0123456789abcdef") == "" || strings.Trim(v, "0123456789ABCDEF") == ""
}

// notRandom tells what matches an expression of 40 characters of base64 and is none at random: checksums, one case only
// (once in 10^8 for a real one), identifiers of letters alone (1 in 4,000), paths of more than six slashes (1 in 10^5), and
// the key that the vendor's documentation shows.
func notRandom(v string) bool {
	return isHex(v) || strings.ToLower(v) == v || strings.ToUpper(v) == v || strings.Count(v, "/") > 6 ||
		!strings.ContainsAny(v, "0123456789+/") || strings.Contains(v, "EXAMPLE")
}
