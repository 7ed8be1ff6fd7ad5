package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/plimsoll/plimsoll"
)

// exchanger has the registry itself exchange an Azure access token for its refresh token.
type exchanger func(ctx context.Context, fields url.Values) (refresh string, err error)

// fromAzure finds an Azure identity as the environment sets it up: a client secret, a workload's federated token (both by the
// AZURE_… variables), or the machine's managed identity. The registry exchanges its token for one of its own.
func (c *cloud) fromAzure(ctx context.Context, exchange exchanger) (authn.AuthConfig, time.Duration, error) {
	token, err := c.azureToken(ctx)
	if err != nil {
		return authn.AuthConfig{}, 0, err
	}
	fields := url.Values{"grant_type": {"access_token"}, "service": {c.host}, "access_token": {token.AccessToken}}
	if tenant := c.getenv("AZURE_TENANT_ID"); tenant != "" {
		fields.Set("tenant", tenant)
	}
	refresh, err := exchange(ctx, fields)
	if err != nil {
		return authn.AuthConfig{}, 0, fmt.Errorf("%w; the identity needs the role AcrPull", err)
	}
	return authn.AuthConfig{IdentityToken: refresh}, token.life(), nil
}

// azureCloudOf are the token service and the resource of the cloud that a registry belongs to.
func azureCloudOf(host string) (login, resource string) {
	switch {
	case strings.HasSuffix(host, ".azurecr.cn"):
		return "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn/"
	case strings.HasSuffix(host, ".azurecr.us"):
		return "https://login.microsoftonline.us", "https://management.usgovcloudapi.net/"
	}
	return "https://login.microsoftonline.com", "https://management.azure.com/"
}

func (c *cloud) azureToken(ctx context.Context) (token accessToken, err error) {
	login, resource := azureCloudOf(c.host)
	if authority := c.getenv("AZURE_AUTHORITY_HOST"); authority != "" {
		login = strings.TrimSuffix(authority, "/")
	}
	if c.login != "" {
		login = c.login
	}
	tenant, client, secret, file := c.getenv("AZURE_TENANT_ID"), c.getenv("AZURE_CLIENT_ID"), c.getenv("AZURE_CLIENT_SECRET"), c.getenv("AZURE_FEDERATED_TOKEN_FILE")
	if tenant == "" || client == "" || secret == "" && file == "" {
		return c.azureFromMachine(ctx, resource, client)
	}
	fields := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "scope": {resource + ".default"}}
	if secret != "" {
		fields.Set("client_secret", secret)
	} else {
		b, err := readSmall(file)
		if err != nil {
			return token, fmt.Errorf("%w: AZURE_FEDERATED_TOKEN_FILE: %w", plimsoll.ErrDenied, err)
		}
		fields.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		fields.Set("client_assertion", strings.TrimSpace(string(b)))
	}
	req, err := form(login+"/"+url.PathEscape(tenant)+"/oauth2/v2.0/token", fields)
	if err != nil {
		return token, err
	}
	return token, ask(ctx, c.remote, "Azure access token", req, &token)
}

// azureFromMachine asks the metadata service for the machine's managed identity; client chooses one of several.
func (c *cloud) azureFromMachine(ctx context.Context, resource, client string) (token accessToken, err error) {
	q := url.Values{"api-version": {"2018-02-01"}, "resource": {resource}}
	if client != "" {
		q.Set("client_id", client)
	}
	req, err := http.NewRequest(http.MethodGet, c.azure+"/metadata/identity/oauth2/token?"+q.Encode(), nil)
	if err != nil {
		return token, fmt.Errorf("Azure metadata service: %w address", plimsoll.ErrInvalid)
	}
	req.Header.Set("Metadata", "true")
	err = ask(ctx, c.local, "Azure metadata service", req, &token)
	if errors.Is(err, plimsoll.ErrUnavailable) || errors.Is(err, plimsoll.ErrDenied) {
		return token, fmt.Errorf("%w: %w", errNoIdentity, err)
	}
	return token, err
}

// exchangeAzure asks the registry, through the guarded client, like any token realm.
func (c *Client) exchangeAzure(ctx context.Context, fields url.Values) (string, error) {
	target := c.url(call{path: "/oauth2/exchange"})
	req, err := form(target.String(), fields)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.lim.documentTime, errDocumentTime)
	defer cancel()
	var reply struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := ask(ctx, c.auth.http, "token exchange", req, &reply); err != nil {
		return "", err
	}
	if reply.RefreshToken == "" {
		return "", fmt.Errorf("token exchange: %s: %w reply: it holds no token", where(target), plimsoll.ErrInvalid)
	}
	return reply.RefreshToken, nil
}
