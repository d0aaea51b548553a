/* mod_ssl_explain lets the TLS handshake of a client certificate that mod_ssl
 * refuses come to its end, so that there is a connection on which a page can say why.
 *
 *     SSLVerifyClient optional_no_ca
 *     SSLExplain      on
 *     <Location />
 *         Require expr %{SSL_CLIENT_VERIFY} == 'SUCCESS'
 *     </Location>
 *
 * mod_ssl judges as ever: chain, time, CRLs, OCSP, depth. SSL_CLIENT_VERIFY has what
 * it found: SUCCESS, NONE, GENEROUS (the certificate leads to no CA of
 * SSLCACertificateFile), or FAILED: and the reason. The handshake keeps nobody out
 * any more, so a rule as above must.
 *
 * To build, install and load it:  apxs -i -a -c mod_ssl_explain.c -lssl -lcrypto
 */
#include <httpd.h>
#include <http_config.h>
#include <apr_optional_hooks.h>
#include <openssl/ssl.h>

module AP_MODULE_DECLARE_DATA ssl_explain_module;

/* explain_conf is a server's; on is -1 where nothing was said. */
typedef struct {
	int on;
} explain_conf;

/* judge is mod_ssl's own, the same for all servers; set while Apache starts. */
static SSL_verify_cb judge;

/* spoil makes the session of this handshake one that ended long ago: mod_ssl keeps
 * its judgement beside the connection and not in the session, and in TLS 1.2 takes a
 * resumed session's certificate for a good one. */
static void spoil(SSL *ssl)
{
	SSL_SESSION *session = SSL_get_session(ssl);

	if (session)
		SSL_SESSION_set_time(session, 1);
}

/* hear is called by OpenSSL for each certificate and each error, and says "go on". It
 * asks mod_ssl until there is something wrong, and then no more: what follows an
 * error is of no worth. mod_ssl has made a note of it beside the connection, which
 * nothing takes back; from it SSL_CLIENT_VERIFY is made. The handshake's result is one
 * that optional_no_ca passes and that is no success: an error that optional_no_ca
 * forgives, or in the place of any other "not trusted". */
static int hear(int ok, X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	conn_rec *c = ssl ? SSL_get_app_data(ssl) : NULL; /* where mod_ssl puts it */
	int *error;

	if (!c)
		return 0;
	error = ap_get_module_config(c->conn_config, &ssl_explain_module);
	if (!error) {
		int passed = judge(ok, ctx);

		if (passed && X509_STORE_CTX_get_error(ctx) == X509_V_OK)
			return 1;
		spoil(ssl);
		error = apr_palloc(c->pool, sizeof *error);
		*error = passed ? X509_STORE_CTX_get_error(ctx) : X509_V_ERR_CERT_UNTRUSTED;
		ap_set_module_config(c->conn_config, &ssl_explain_module, error);
	}
	X509_STORE_CTX_set_error(ctx, *error);
	return 1;
}

/* init_server is called when mod_ssl has set up a server's TLS. */
static int init_server(server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx)
{
	explain_conf *conf = ap_get_module_config(s->module_config, &ssl_explain_module);
	SSL_verify_cb own = SSL_CTX_get_verify_callback(ctx);

	(void)p;
	if (is_proxy || conf->on != 1 || own == NULL || own == hear)
		return DECLINED;
	judge = own;
	SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), hear);
	return OK;
}

static void *create_conf(apr_pool_t *p, server_rec *s)
{
	explain_conf *conf = apr_palloc(p, sizeof *conf);

	(void)s;
	conf->on = -1;
	return conf;
}

static void *merge_conf(apr_pool_t *p, void *outer, void *inner)
{
	explain_conf *conf = apr_palloc(p, sizeof *conf);

	*conf = ((explain_conf *)inner)->on == -1 ? *(explain_conf *)outer : *(explain_conf *)inner;
	return conf;
}

static const char *set_explain(cmd_parms *cmd, void *dir, int on)
{
	explain_conf *conf = ap_get_module_config(cmd->server->module_config, &ssl_explain_module);

	(void)dir;
	conf->on = on;
	return NULL;
}

static const command_rec commands[] = {
	AP_INIT_FLAG("SSLExplain", set_explain, NULL, RSRC_CONF,
		"on: the handshake of a refused client certificate goes on; SSL_CLIENT_VERIFY says what is wrong"),
	{ NULL }
};

static void register_hooks(apr_pool_t *p)
{
	(void)p;
	/* mod_ssl_openssl.h declares this hook; Debian does not ship that file. */
	apr_optional_hook_add("init_server", (void (*)(void))init_server, NULL, NULL, APR_HOOK_LAST);
}

AP_DECLARE_MODULE(ssl_explain) = {
	STANDARD20_MODULE_STUFF, NULL, NULL, create_conf, merge_conf, commands, register_hooks, 0
};
