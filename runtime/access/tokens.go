package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// secretPrefix begins every secret, so that tools which look for leaked secrets find it.
	secretPrefix = "fas_"
	// secretBytes is the number of random bytes in a secret: too many to guess, so that a plain hash
	// protects it as well as a slow one.
	secretBytes = 32
	// lastUseBatch is the number of tokens whose last uses are stored in one batch.
	lastUseBatch = 500
)

// NewSecret returns the secret of a new token.
func NewSecret() string {
	return secretPrefix + base64.RawURLEncoding.EncodeToString(random(secretBytes))
}

// CreateToken creates a token for an identity, which is an operator, or the admin of the tenant. It
// returns the secret, which is not stored; empty for one with a password.
//
// Errors: CodeInvalidArgument, CodePermissionDenied, CodeNotFound for a tenant that does not exist or
// is foreign, CodeAlreadyExists, CodeTooLarge beyond the number of tokens, CodeTooBusy,
// CodeUnavailable.
func (k *Keeper) CreateToken(ctx context.Context, by *runtime.Identity, spec runtime.TokenSpec) (runtime.Token, string, error) {
	spec, err := spec.Normalized()
	if err != nil {
		return runtime.Token{}, "", err
	}
	if spec, err = addressed(by, spec); err != nil {
		return runtime.Token{}, "", err
	}
	t := runtime.Token{Tenant: spec.Tenant, Name: spec.Name, Scope: spec.Scope, Functions: spec.Functions, CreatedBy: by.UserID}
	secret := ""
	if spec.Password != "" {
		if t.Password, err = k.passwords.newPassword(ctx, spec.Password); err != nil {
			return runtime.Token{}, "", err
		}
	} else {
		secret = NewSecret()
		t.Hash = sha256.Sum256([]byte(secret))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.checkRoom(&t); err != nil {
		return runtime.Token{}, "", err
	}
	t.Created, t.ID = k.clock.Stamp()
	t.Created = t.Created.UTC()
	if spec.Lifetime > 0 {
		t.Expires = t.Created.Add(spec.Lifetime)
	}
	if bytes := sizeOf(&t); !k.memory.TryTake(bytes) {
		return runtime.Token{}, "", k.memory.Refuse(bytes)
	}
	if err := k.store.PutTokens([]runtime.Token{t}); err != nil {
		k.memory.Give(sizeOf(&t))
		return runtime.Token{}, "", err
	}
	k.addToken(t)
	return t, secret, nil
}

// addressed sets the tenant of a spec, which the identity must be allowed to create tokens for.
func addressed(by *runtime.Identity, spec runtime.TokenSpec) (runtime.TokenSpec, error) {
	if spec.Scope == runtime.ScopeOperator {
		if !by.Operator {
			return spec, runtime.Errorf(runtime.CodePermissionDenied, "only a token with the scope operator may create another").
				WithHint("ask the operator of the server")
		}
		return spec, nil
	}
	if spec.Tenant == "" {
		spec.Tenant = by.Tenant
	}
	if spec.Tenant == "" {
		return spec, runtime.Errorf(runtime.CodeInvalidArgument, "the tenant of the token is missing").
			WithHint("name the tenant: your own token belongs to none")
	}
	if spec.Tenant != by.Tenant && !by.Operator {
		return spec, runtime.NoTenantError(spec.Tenant)
	}
	return spec, nil
}

// checkRoom returns why a new token cannot be added. The caller holds mu.
func (k *Keeper) checkRoom(t *runtime.Token) error {
	if t.Tenant != "" {
		if owner := k.tenants[t.Tenant]; owner == nil || owner.Deleting {
			return runtime.NoTenantError(t.Tenant)
		}
	}
	owner := k.ownerOf(t.Tenant)
	if owner.tokens[t.Name] != nil {
		return runtime.Errorf(runtime.CodeAlreadyExists, "a token named %q already exists", t.Name).
			WithHint("choose another name, or rotate or delete that token")
	}
	if len(owner.tokens) >= runtime.MaxTenantTokens || len(k.tokens) >= runtime.MaxTokens {
		return runtime.Errorf(runtime.CodeTooLarge, "there are %d tokens, at most %d are allowed for a tenant and %d in all",
			len(owner.tokens), runtime.MaxTenantTokens, runtime.MaxTokens).WithHint("delete tokens that are not used")
	}
	return nil
}

// ListTokens returns a page of tokens in the order of their creation: those of a tenant, or all that
// the identity may see if it is empty. The error for a foreign tenant is CodeNotFound.
func (k *Keeper) ListTokens(by *runtime.Identity, of runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Token], err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !by.Operator {
		if of != "" && of != by.Tenant {
			return page, runtime.NoTenantError(of)
		}
		of = by.Tenant
	}
	ids := k.ids
	if of != "" {
		owner := k.tenants[of]
		if owner == nil {
			return page, runtime.NoTenantError(of)
		}
		ids = owner.ids
	}
	ids, page.Next = pageOf(ids, r)
	for _, id := range ids {
		page.Items = append(page.Items, k.tokens[id].current())
	}
	return page, nil
}

// current returns the token with its last use. The caller holds the mutex of the Keeper.
func (s *state) current() runtime.Token {
	t := s.token
	if used := s.used.Load(); used != 0 {
		t.LastUsed = time.Unix(used-used%lastUseStep, 0).UTC()
	}
	return t
}

// find returns a token that the identity may see. The caller holds mu.
func (k *Keeper) find(by *runtime.Identity, id string) (*state, error) {
	s := k.tokens[id]
	if s == nil || !by.Operator && s.token.Tenant != by.Tenant {
		return nil, runtime.NoTokenError()
	}
	return s, nil
}

// GetToken returns a token. The error of one that is unknown or foreign is CodeNotFound.
func (k *Keeper) GetToken(by *runtime.Identity, id string) (runtime.Token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := k.find(by, id)
	if err != nil {
		return runtime.Token{}, err
	}
	return s.current(), nil
}

// DeleteToken deletes a token, which cannot be used from then on.
func (k *Keeper) DeleteToken(by *runtime.Identity, id string) (runtime.Token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := k.find(by, id)
	if err != nil {
		return runtime.Token{}, err
	}
	if err := k.store.DeleteToken(id); err != nil {
		return runtime.Token{}, err
	}
	k.forget(s)
	return s.current(), nil
}

// RotateToken gives a token another secret, which it returns. The secret before stays valid for the
// time overlap, at most [runtime.MaxOverlap]; one before that does not. A token with a password gets
// the new one, and has no overlap. The error of a token that has expired is CodeConflict.
func (k *Keeper) RotateToken(ctx context.Context, by *runtime.Identity, id string, overlap time.Duration, password string) (runtime.Token, string, error) {
	before, err := k.GetToken(by, id)
	if err == nil {
		err = k.checkLife(&before)
	}
	if err != nil {
		return runtime.Token{}, "", err
	}
	hash, err := k.rotatedPassword(ctx, &before, overlap, password)
	if err != nil {
		return runtime.Token{}, "", err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := k.find(by, id)
	if err == nil {
		err = k.checkLife(&s.token)
	}
	if err != nil {
		return runtime.Token{}, "", err
	}
	t, secret := s.current(), ""
	if hash != nil {
		t.Password = hash
	} else {
		t.Previous, t.PreviousExpires = [32]byte{}, time.Time{}
		if overlap > 0 {
			t.Previous, t.PreviousExpires = t.Hash, k.clock.Now().UTC().Add(overlap)
		}
		secret = NewSecret()
		t.Hash = sha256.Sum256([]byte(secret))
	}
	if err := k.store.PutTokens([]runtime.Token{t}); err != nil {
		return runtime.Token{}, "", err
	}
	k.addToken(t)
	return t, secret, nil
}

// checkLife returns an error for a token that has expired.
func (k *Keeper) checkLife(t *runtime.Token) error {
	if t.Expires.IsZero() || k.clock.Now().Before(t.Expires) {
		return nil
	}
	return runtime.Errorf(runtime.CodeConflict, "the token %q has expired, and another secret would be of no use", t.Name).
		WithHint("delete it, and create another one of its name")
}

// rotatedPassword checks a rotation, and returns the hash of the new password; nil for a token without
// one.
func (k *Keeper) rotatedPassword(ctx context.Context, t *runtime.Token, overlap time.Duration, password string) (*runtime.PasswordHash, error) {
	invalid := func(hint, text string) (*runtime.PasswordHash, error) {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "%s", text).WithHint(hint)
	}
	switch {
	case overlap < 0 || overlap > runtime.MaxOverlap:
		return invalid("give 0 to 30 days", "the overlap is out of bounds")
	case t.HasPassword() && overlap != 0:
		return invalid("leave the overlap out", "a password has no overlap")
	case t.HasPassword() && password == "":
		return invalid("send the new password", "the token has a password")
	case !t.HasPassword() && password != "":
		return invalid("leave the password out: the server generates the secret", "the token has no password")
	case !t.HasPassword():
		return nil, nil
	}
	if err := runtime.ValidatePassword(password); err != nil {
		return nil, err
	}
	return k.passwords.newPassword(ctx, password)
}

// storeLastUses stores when tokens were last used, of those that were used since.
func (k *Keeper) storeLastUses() {
	k.mu.Lock()
	defer k.mu.Unlock()
	var changed []runtime.Token
	flush := func() {
		if len(changed) == 0 {
			return
		}
		// An error, such as of a full disk, loses no more than a time, which the next use brings again.
		if err := k.store.PutTokens(changed); err != nil {
			k.log.Debug("access: cannot store the last uses of tokens", "error", err)
		} else {
			for _, t := range changed {
				k.tokens[t.ID].token.LastUsed = t.LastUsed
			}
		}
		changed = changed[:0]
	}
	for _, s := range k.tokens {
		if t := s.current(); !t.LastUsed.Equal(s.token.LastUsed) {
			if changed = append(changed, t); len(changed) == lastUseBatch {
				flush()
			}
		}
	}
	flush()
}
