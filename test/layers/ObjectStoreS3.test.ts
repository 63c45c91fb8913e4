import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ObjectStoreS3 from "../../src/layers/ObjectStoreS3.ts"
import * as S3Failure from "../../src/layers/ObjectStoreS3Failure.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { ObjectStore, type ObjectStoreError } from "../../src/services/ObjectStore.ts"
import * as ObjectStoreConformance from "../conformance/ObjectStore.ts"
import { type Conditions, Double, type Fault, keys, options } from "../support/s3Double.ts"
import * as Signature from "../support/s3Signature.ts"

const utf8 = Bytes.fromUtf8

ObjectStoreConformance.suite(
  "S3",
  Layer.effect(
    ObjectStore,
    Effect.suspend(() => {
      const double = new Double()
      double.pageSize = 50
      return ObjectStoreS3.make(options(double))
    })
  ),
  230
)

const setUp = (more: Partial<ObjectStoreS3.Options> = {}) =>
  Effect.map(
    Effect.sync(() => new Double()),
    (double) => ({ double, open: ObjectStoreS3.make(options(double, more)) })
  ).pipe(Effect.flatMap(({ double, open }) => Effect.map(open, (objects) => ({ double, objects }))))

const list = (objects: ObjectStore["Type"], prefix = "") =>
  Effect.map(Stream.runCollect(objects.list(prefix)), (found) => Chunk.toReadonlyArray(found))

describe("S3: signatures", () => {
  // the examples of Amazon's own documentation
  const example = (method: string, url: string, headers: Record<string, string>, signed: string, signature: string) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signed},Signature=${signature}`
    const all = new Headers({ ...headers, authorization, "x-amz-date": "20130524T000000Z" })
    return { method, url, headers: all }
  }
  const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  const given = { accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" }
  const host = "https://examplebucket.s3.amazonaws.com"

  it("the double believes the documented signatures, and none with another byte anywhere", () => {
    const examples = [
      example(
        "GET",
        `${host}/test.txt`,
        { range: "bytes=0-9", "x-amz-content-sha256": emptyHash },
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
      ),
      example(
        "PUT",
        `${host}/test%24file.text`,
        {
          date: "Fri, 24 May 2013 00:00:00 GMT",
          "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
          "x-amz-storage-class": "REDUCED_REDUNDANCY"
        },
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
      ),
      example(
        "GET",
        `${host}/?max-keys=2&prefix=J`,
        { "x-amz-content-sha256": emptyHash },
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
      )
    ]
    for (const request of examples) {
      assert.isTrue(Signature.isValid(request, given), request.url)
      assert.isFalse(Signature.isValid({ ...request, method: "DELETE" }, given))
      assert.isFalse(Signature.isValid({ ...request, url: `${request.url}x` }, given))
      assert.isFalse(Signature.isValid(request, { ...given, secretKey: "wrong" }))
    }
  })

  it.effect("a wrong secret key, an unknown bucket and a wrong region are said to be that", () =>
    Effect.gen(function* () {
      const double = new Double()
      const wrong = { accessKey: keys.accessKey, secretKey: Redacted.make("wrong") }
      const failing = (more: Partial<ObjectStoreS3.Options>) =>
        Effect.flatMap(ObjectStoreS3.make(options(double, more)), (objects) => Effect.flip(objects.get("a")))
      const signature = yield* failing({ credentials: wrong })
      assert.strictEqual(signature.reason, "Denied")
      assert.include(signature.message, "secret_key")
      const bucket = yield* failing({ bucket: "elsewhere" })
      assert.strictEqual(bucket.reason, "Unavailable")
      assert.include(bucket.message, "there is no bucket elsewhere at s3.test")
      double.fault = () => ({
        status: 301,
        code: "PermanentRedirect",
        headers: { "x-amz-bucket-region": "eu-north-1" }
      })
      assert.include((yield* failing({})).message, "the region eu-north-1")
      assert.strictEqual(double.seen.length, 3, "none of these is tried again, no redirection is followed")
    })
  )
})

describe("S3: paths and listings", () => {
  it.effect("keys of every kind are listed as they are, page by page, and what is no object of ours is not", () =>
    Effect.gen(function* () {
      for (const addressing of ["path", "virtual"] as const) {
        const { double, objects } = yield* setUp({ addressing, folder: "/my vault+/" })
        double.pageSize = 3
        const paths = [
          "a b",
          "a+b",
          "a%20b",
          "a%2Bb",
          "ä/ö/🜁",
          "x&y<z>\"'",
          "(1)!*",
          "=?#",
          "a\tb\u0001",
          "~",
          "1e5",
          "007"
        ]
        for (const path of paths) yield* objects.put(path, utf8(path))
        const foreign = yield* ObjectStoreS3.make(options(double))
        yield* foreign.put("my vault+x", utf8("x"))
        yield* foreign.put("elsewhere", utf8("x"))
        const one = double.objects.get("elsewhere")!
        // what consoles and other programs leave
        for (const key of [
          "my vault+/marker/",
          "my vault+//x",
          "my vault+/.tmp/x",
          "my vault+/a/../b",
          "my vault+/a\\b"
        ])
          double.objects.set(key, one)
        assert.sameMembers([...(yield* list(objects))], paths)
        assert.sameMembers([...(yield* list(objects, "a"))], ["a b", "a+b", "a%20b", "a%2Bb", "a\tb\u0001"])
        for (const path of paths) assert.strictEqual(Bytes.toUtf8(yield* objects.get(path)), path)
        assert.isTrue(double.seen.every(({ status }) => status < 300))
      }
    })
  )

  it.effect("a path whose key would be longer than 1024 bytes is refused before anything is sent", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({ folder: "four" })
      const longest = `${"ä".repeat(509)}a`
      yield* objects.put(longest, utf8("x"))
      assert.deepStrictEqual(yield* list(objects), [longest])
      const sent = double.seen.length
      assert.strictEqual((yield* Effect.flip(objects.put(`${longest}a`, utf8("x")))).reason, "BadPath")
      assert.strictEqual(double.seen.length, sent)
    })
  )

  it.effect("a listing that is cut short, repeats itself or is none is a failure, never a shorter listing", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({ attempts: 2 })
      const truncated = (inner: string) =>
        `<ListBucketResult><IsTruncated>true</IsTruncated>${inner}</ListBucketResult>`
      const bodies = [
        "",
        "<html>welcome</html>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents>",
        "<ListBucketResult></ListBucketResult>",
        truncated(""),
        truncated("<NextContinuationToken></NextContinuationToken>"),
        truncated("<NextContinuationToken>same</NextContinuationToken>"),
        `<!DOCTYPE x [<!ENTITY k "a">]>${truncated("<Contents><Key>&k;</Key></Contents>")}`,
        "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Contents><Key>%ff</Key></Contents></ListBucketResult>",
        "<ListBucketResult><__proto__>1</__proto__></ListBucketResult>"
      ]
      for (const body of bodies) {
        double.fault = () => ({ status: 200, body })
        assert.strictEqual((yield* Effect.flip(list(objects))).reason, "Unavailable", body)
      }
      double.fault = () => ({
        status: 200,
        body: "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a&amp;b&#32;+%41</Key></Contents></ListBucketResult>\n"
      })
      assert.deepStrictEqual(yield* list(objects), ["a&b +%41"], "keys that are not encoded are taken as they are")
    })
  )
})

describe("S3: absence", () => {
  it.effect("only the service's own word that there is no such object is NotFound", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({ attempts: 2 })
      assert.strictEqual((yield* Effect.flip(objects.get("a"))).reason, "NotFound")
      assert.isUndefined(yield* objects.versions.read("a"))
      const answers: ReadonlyArray<[Fault, ObjectStoreError["reason"]]> = [
        [{ status: 404, body: "<html>no such page</html>" }, "Unavailable"],
        [{ status: 404, code: "NoSuchBucket" }, "Unavailable"],
        [{ status: 404 }, "Unavailable"],
        [{ status: 410 }, "Unavailable"],
        [{ status: 403, code: "AccessDenied" }, "Denied"],
        [{ status: 307, headers: { location: "http://elsewhere.test/" } }, "Unavailable"],
        [{ status: 500, code: "InternalError" }, "Unavailable"],
        ["reset", "Unavailable"]
      ]
      for (const [fault, reason] of answers) {
        double.fault = () => fault
        assert.strictEqual((yield* Effect.flip(objects.get("a"))).reason, reason, JSON.stringify(fault))
        assert.strictEqual((yield* Effect.flip(objects.versions.read("a"))).reason, reason, JSON.stringify(fault))
      }
    })
  )

  it.effect("other bytes than those of the range are a failure, and everything is cut where ranges are unknown", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({ attempts: 2 })
      const range = { offset: 2, length: 3 }
      double.fault = () => ({ status: 200, body: "0123456789" })
      assert.strictEqual(Bytes.toUtf8(yield* objects.get("a", range)), "234")
      double.fault = () => ({ status: 206, body: "234", headers: { "content-range": "bytes 2-4/10" } })
      assert.strictEqual(Bytes.toUtf8(yield* objects.get("a", range)), "234")
      for (const [body, said] of [
        ["123", "bytes 1-3/10"],
        ["23", "bytes 2-3/10"],
        ["23", "bytes 2-4/10"],
        ["234", ""],
        ["2345", "bytes 2-5/10"]
      ]) {
        double.fault = () => ({ status: 206, body: body!, headers: { "content-range": said! } })
        assert.strictEqual((yield* Effect.flip(objects.get("a", range))).reason, "Unavailable", said)
      }
    })
  )
})

describe("S3: conditional writes", () => {
  it.effect("a write whose answer was lost knows itself at the second attempt, and nobody else's", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp()
      assert.isTrue(yield* objects.create("warm", utf8("up")))
      for (const [index, fault] of (["lost", { status: 500, applied: true }, "late"] as const).entries()) {
        const path = `claim/${index}`
        const first = double.seen.length
        double.fault = ({ method, nth }) => (method === "PUT" && nth === first ? fault : undefined)
        assert.isTrue(yield* objects.create(path, utf8("mine")))
        assert.isFalse(yield* objects.create(path, utf8("mine")), "the same bytes are not the same write")
        const held = yield* objects.versions.read(path)
        const second = double.seen.length
        double.fault = ({ method, nth }) => (method === "PUT" && nth === second ? fault : undefined)
        assert.isTrue(yield* objects.versions.replace(path, utf8("next"), held?.version))
        assert.isFalse(yield* objects.versions.replace(path, utf8("late"), held?.version))
        assert.strictEqual(Bytes.toUtf8(yield* objects.get(path)), "next")
      }
    })
  )

  it.effect("a version is the one that was read: gone, changed and made anew are refused", () =>
    Effect.gen(function* () {
      const { objects } = yield* setUp()
      const { read, replace } = objects.versions
      assert.isFalse(yield* replace("a", utf8("x"), '"0123456789abcdef0123456789abcdef"'), "there is none")
      assert.isTrue(yield* replace("a", utf8("1"), undefined))
      assert.isFalse(yield* replace("a", utf8("2"), undefined))
      const held = yield* read("a")
      assert.strictEqual(Bytes.toUtf8(held!.bytes), "1")
      yield* objects.put("a", utf8("behind your back"))
      assert.isFalse(yield* replace("a", utf8("2"), held!.version))
      yield* objects.remove("a")
      assert.isFalse(yield* replace("a", utf8("2"), held!.version))
      assert.isUndefined(yield* read("a"))
    })
  )

  for (const conditions of ["ignored", "create-only", "unsupported"] satisfies ReadonlyArray<Conditions>) {
    it.effect(`where conditions are ${conditions}, creating is denied with the reason, and blobs go on`, () =>
      Effect.gen(function* () {
        const { double, objects } = yield* setUp()
        double.conditions = conditions
        yield* objects.put("blob3/x", utf8("x"))
        for (let i = 0; i < 3; i++) {
          const refusals = [
            yield* Effect.flip(objects.create("a", utf8("x"))),
            yield* Effect.flip(objects.versions.replace("a", utf8("x"), undefined))
          ]
          for (const refusal of refusals) {
            assert.strictEqual(refusal.reason, "Unsupported")
            assert.include(refusal.message, "choose another place for the registry")
          }
        }
        assert.deepStrictEqual([...double.objects.keys()], ["blob3/x"], "nothing was written, the trial was removed")
        assert.isAtMost(double.seen.length, 5, "the bucket is asked once")
        assert.strictEqual(Bytes.toUtf8(yield* objects.get("blob3/x")), "x")
      })
    )
  }

  it.effect("a trial that could not be made is made again by the next write", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({ attempts: 1 })
      double.fault = () => "reset"
      assert.strictEqual((yield* Effect.flip(objects.create("a", utf8("x")))).reason, "Unavailable")
      double.fault = () => undefined
      assert.isTrue(yield* objects.create("a", utf8("x")))
      assert.isTrue(yield* objects.create("b", utf8("x")))
      assert.strictEqual(double.count("PUT"), 2)
    })
  )
})

describe("S3: options", () => {
  const problem = (more: Partial<ObjectStoreS3.Options>) =>
    Effect.map(Effect.flip(ObjectStoreS3.make(options(new Double(), more))), (error) => error.message)

  it.effect("what cannot be a bucket, region, endpoint or key is refused and named, secrets never", () =>
    Effect.gen(function* () {
      for (const bucket of ["", "a/b", "a..b", "../x", "a b", "a?b", "-a"])
        assert.include(yield* problem({ bucket }), "bucket_name")
      for (const endpoint of ["s3.test", "ftp://s3.test", "http://s3.test/?x=1", "file:///etc/passwd"])
        assert.include(yield* problem({ endpoint }), "endpoint")
      const within = yield* problem({ endpoint: "https://me:hunter2@s3.test" })
      assert.include(within, "credentials do not belong into the URL")
      assert.notInclude(within, "hunter2")
      assert.include(yield* problem({ region: "eu central" }), "region")
      assert.include(yield* problem({ bucket: "Capital", addressing: "virtual" }), "path addressing")
      for (const [accessKey, secretKey] of [
        ["", "hunter2"],
        ["a\nb", "hunter2"],
        ["a", ""]
      ]) {
        const text = yield* problem({ credentials: { accessKey: accessKey!, secretKey: Redacted.make(secretKey!) } })
        assert.include(text, "access_key")
        assert.notInclude(text, "hunter2")
      }
    })
  )

  it.effect("without credentials those of the environment are used, a session's token too", () =>
    Effect.gen(function* () {
      const double = new Double()
      const { credentials, ...rest } = options(double)
      assert.isDefined(credentials)
      const within = (environment: Record<string, string>) =>
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
      const refused = yield* Effect.flip(ObjectStoreS3.make(rest).pipe(within({ AWS_ACCESS_KEY_ID: "x" })))
      assert.include(refused.message, "AWS_SECRET_ACCESS_KEY")
      const objects = yield* ObjectStoreS3.make(rest).pipe(
        within({
          AWS_ACCESS_KEY_ID: keys.accessKey,
          AWS_SECRET_ACCESS_KEY: keys.secretKey,
          AWS_SESSION_TOKEN: "a token"
        })
      )
      yield* objects.put("a", utf8("x"))
      assert.strictEqual(double.seen[0]?.headers.get("x-amz-security-token"), "a token")
    })
  )

  it.effect("no message holds a key, whatever the service says", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({
        attempts: 1,
        credentials: {
          accessKey: keys.accessKey,
          secretKey: Redacted.make(keys.secretKey),
          sessionToken: Redacted.make("token-of-a-session")
        }
      })
      const talkative = `${keys.secretKey} ${keys.accessKey} token-of-a-session \n\u001b[31m`
      const faults: ReadonlyArray<Fault> = [
        { status: 403, body: `<Error><Code>AccessDenied</Code><Message>${talkative}</Message></Error>` },
        { status: 403, body: `<Error><Code>${talkative}</Code></Error>` },
        { status: 500, body: talkative },
        { status: 400, body: `<Error><Code>X</Code><Message>${talkative.repeat(50)}</Message></Error>` },
        { status: 301, headers: { "x-amz-bucket-region": keys.secretKey } }
      ]
      for (const fault of faults) {
        double.fault = () => fault
        const { message } = yield* Effect.flip(objects.get("a"))
        assert.notMatch(message, /a secret|AKIDCAIRN|token-of|\p{Cc}/u)
        assert.isBelow(message.length, 600)
      }
      const cause = Object.assign(new TypeError("fetch failed"), { cause: new Error(`at ${keys.secretKey}`) })
      const about = { bucket: "b", host: "h", region: "r", secrets: [keys.secretKey] }
      assert.notInclude(S3Failure.ofCause(about, cause).detail, keys.secretKey)
    })
  )
})
