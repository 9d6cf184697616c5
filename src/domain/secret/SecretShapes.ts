/**
 * The shapes of well-known tokens: a literal beginning, the characters that follow, and how many of them.
 *
 * Room: domain.
 *
 * A shape is decided by looking at one unbroken run of letters, digits, `_` and `-`, in time linear in its length; there is
 * no backtracking, also for shapes of the configuration. Sources: what the issuers say of their tokens, and what is public
 * of the rules of GitHub's secret scanning.
 */

/** Characters that follow the beginning. */
export type Alphabet = "alnum" | "word" | "hex" | "upper" | "base32";

export interface Shape {
  readonly rule: string;
  /** Text directly before the run, beyond characters of a run: `SG.`, `hvs.`. Part of the secret. */
  readonly before?: string;
  readonly prefix: string;
  readonly alphabet: Alphabet;
  /** Characters after the prefix. */
  readonly least: number;
  readonly most: number;
  /** At least so many of them are digits: words that only begin alike have none. Default 0. */
  readonly digits?: number;
  /** It goes on behind a dot, if so many characters follow there: `SG.….…`. */
  readonly dotted?: number;
  /** It goes on over what base64 has beside letters and digits. */
  readonly isBase64?: boolean;
}

/** The longest token that is looked for, in characters; a longer run is data and no token. */
export const longest = 1_024;

const shape = (
  rule: string,
  prefixes: string,
  alphabet: Alphabet,
  [least, most = longest]: readonly [number, number?],
  more: Partial<Shape> = {},
): ReadonlyArray<Shape> => prefixes.split(" ").map((prefix) => ({ rule, prefix, alphabet, least, most, ...more }));

/** Shapes in order: where several fit, the first counts. */
export const shapes: ReadonlyArray<Shape> = [
  // Models
  ...shape("anthropic-key", "sk-ant-", "word", [20]),
  ...shape("openai-key", "sk-proj- sk-svcacct- sk-admin- sk-None- sess-", "word", [20], { digits: 1 }),
  ...shape("openrouter-key", "sk-or-v1-", "hex", [32]),
  ...shape("langfuse-key", "sk-lf-", "word", [20], { digits: 1 }),
  ...shape("openai-key", "sk-", "alnum", [20], { digits: 2 }),
  ...shape("google-key", "AIza", "word", [35, 35]),
  ...shape("google-oauth", "GOCSPX-", "word", [28, 40]),
  ...shape("google-oauth", "", "word", [20], { before: "ya29.", digits: 1, dotted: 20 }),
  ...shape("google-oauth", "0", "word", [30, 200], { before: "1//", digits: 2 }),
  ...shape("huggingface-token", "hf_ api_org_", "alnum", [30, 60]),
  ...shape("groq-key", "gsk_", "alnum", [40, 80], { digits: 1 }),
  ...shape("xai-key", "xai-", "alnum", [60, 100], { digits: 1 }),
  ...shape("perplexity-key", "pplx-", "alnum", [40, 80], { digits: 1 }),
  ...shape("replicate-token", "r8_", "alnum", [36, 48], { digits: 1 }),
  ...shape("nvidia-key", "nvapi-", "word", [50, 90], { digits: 1 }),
  ...shape("elevenlabs-key", "sk_", "hex", [48, 48]),
  ...shape("together-key", "tgp_v1_", "word", [40, 60]),
  ...shape("tavily-key", "tvly-", "word", [20, 80], { digits: 1 }),
  ...shape("firecrawl-key", "fc-", "hex", [32, 32]),
  ...shape("e2b-key", "e2b_", "hex", [40, 40]),
  ...shape("langsmith-key", "lsv2_pt_ lsv2_sk_", "word", [32, 60]),
  // Code
  ...shape("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", "alnum", [36, 255]),
  ...shape("github-token", "github_pat_", "word", [60, 255]),
  ...shape("gitlab-token", "glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glagent- glimt- gloas-", "word", [20, 300]),
  ...shape("bitbucket-token", "ATBB", "alnum", [28, 40], { digits: 1 }),
  ...shape("atlassian-token", "ATATT3 ATCTT3", "word", [50, 400], { isBase64: true }),
  ...shape("npm-token", "npm_", "alnum", [36, 36]),
  ...shape("pypi-token", "pypi-", "word", [50, 400]),
  ...shape("rubygems-token", "rubygems_", "hex", [48, 48]),
  ...shape("crates-token", "cio", "alnum", [32, 32], { digits: 1 }),
  ...shape("docker-token", "dckr_pat_ dckr_oat_", "word", [27, 60]),
  ...shape("artifactory-token", "AKCp", "alnum", [60, 80], { digits: 1 }),
  ...shape("sentry-token", "sntrys_ sntryu_", "word", [40, 400]),
  ...shape("postman-key", "PMAK-", "word", [50, 70], { digits: 1 }),
  // Clouds
  ...shape("aws-access-key-id", "AKIA ASIA ABIA ACCA", "base32", [16, 16]),
  ...shape("aws-bedrock-key", "ABSK", "alnum", [16, 400], { digits: 1, isBase64: true }),
  ...shape("alibaba-key-id", "LTAI", "alnum", [17, 24], { digits: 1 }),
  ...shape("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", "hex", [64, 64]),
  ...shape("databricks-token", "dapi", "hex", [32, 32]),
  ...shape("fly-token", "fm1_ fm2_ fo1_", "word", [40]),
  ...shape("heroku-key", "HRKU-", "word", [36, 80]),
  ...shape("netlify-token", "nfp_", "alnum", [30, 60]),
  ...shape("supabase-key", "sbp_ sb_secret_", "word", [30, 80], { digits: 1 }),
  ...shape("planetscale-token", "pscale_tkn_ pscale_pw_ pscale_oauth_", "word", [30, 80]),
  ...shape("vault-token", "", "word", [24], { before: "hvs." }),
  ...shape("vault-token", "", "word", [24], { before: "hvb." }),
  ...shape("doppler-token", "", "alnum", [40, 48], { before: "dp.pt." }),
  ...shape("grafana-token", "glc_ glsa_", "word", [32, 400], { digits: 1 }),
  ...shape("newrelic-key", "NRAK-", "upper", [27, 27]),
  ...shape("pulumi-token", "pul-", "hex", [40, 40]),
  ...shape("nats-seed", "SUA SAA SOA SNA SCA SXA", "base32", [55, 55]),
  ...shape("onepassword-token", "ops_ey", "word", [100, 2_000]),
  ...shape("age-key", "AGE-SECRET-KEY-1", "upper", [58, 58]),
  // Money, mail, talk
  ...shape("stripe-key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", "alnum", [16, 255]),
  ...shape("square-token", "sq0atp- sq0csp-", "word", [22, 60]),
  ...shape("shopify-token", "shpat_ shpca_ shppa_ shpss_", "hex", [32, 32]),
  ...shape("slack-token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xoxc- xoxd- xapp-", "word", [20, 255], { digits: 3 }),
  ...shape("twilio-key", "SK", "hex", [32, 32]),
  ...shape("sendgrid-key", "", "word", [22, 22], { before: "SG.", dotted: 30 }),
  ...shape("mailgun-key", "key-", "hex", [32, 32]),
  ...shape("brevo-key", "xkeysib-", "word", [64, 100]),
  ...shape("resend-key", "re_", "word", [30, 40], { digits: 2 }),
  ...shape("telegram-token", "AA", "word", [33, 33], { before: ":", digits: 1 }),
  // Tools
  ...shape("linear-key", "lin_api_ lin_oauth_", "alnum", [32, 80]),
  ...shape("notion-token", "ntn_ secret_", "alnum", [40, 60], { digits: 1 }),
  ...shape("figma-token", "figd_", "word", [36, 60]),
  ...shape("airtable-token", "pat", "alnum", [14, 14], { digits: 1, dotted: 64 }),
  ...shape("contentful-token", "CFPAT-", "word", [40, 50]),
];
