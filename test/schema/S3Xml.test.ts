import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as S3Xml from "../../src/schema/S3Xml.ts"
import { refusal, right } from "../support/either.ts"

const listing = (inner: string) => `<?xml version="1.0"?>\n<ListBucketResult>${inner}</ListBucketResult>\n`

describe("S3: XML", () => {
  it("keys come out of a page as they went in, encoded or not", () => {
    const key = FastCheck.string({ unit: "grapheme", minLength: 1 })
    FastCheck.assert(
      FastCheck.property(FastCheck.array(key, { maxLength: 4 }), (keys) => {
        const contents = keys.map((each) => `<Contents><Key>${encodeURIComponent(each)}</Key></Contents>`).join("")
        const text = listing(`<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${contents}`)
        assert.deepStrictEqual(right(S3Xml.page(text)), { keys, next: undefined })
      })
    )
    const raw = "<IsTruncated>false</IsTruncated><Contents><Key> 007&lt;&#x41;&quot;%41+ </Key></Contents>"
    assert.deepStrictEqual(right(S3Xml.page(listing(raw))).keys, [' 007<A"%41+ '])
  })

  it("a page of a thousand keys with tags in entities is read", () => {
    const contents = Array.from(
      { length: 1000 },
      (_, i) => `<Contents><Key>${i}</Key><ETag>&quot;${i}&quot;</ETag></Contents>`
    )
    const text = listing(
      `<IsTruncated>true</IsTruncated>${contents.join("")}<NextContinuationToken>a&amp;b=</NextContinuationToken>`
    )
    const page = right(S3Xml.page(text))
    assert.strictEqual(page.keys.length, 1000)
    assert.strictEqual(page.next, "a&b=")
  })

  it("no text at all, cut or spoiled anywhere, makes it throw, and a cut page is never a page", () => {
    const whole = listing(
      "<IsTruncated>false</IsTruncated><Contents><Key>one</Key></Contents><Contents><Key>two</Key></Contents>"
    ).trim()
    for (let length = 0; length < whole.length; length++) refusal(S3Xml.page(whole.slice(0, length)))
    const spoiled = FastCheck.tuple(
      FastCheck.nat(whole.length),
      FastCheck.nat(20),
      FastCheck.string({
        unit: FastCheck.constantFrom("<", ">", "&", "/", "!", "[", "]", "?", ";", "a", '"', "#", "\0"),
        maxLength: 12
      })
    ).map(([at, cut, put]) => whole.slice(0, at) + put + whole.slice(at + cut))
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(spoiled, FastCheck.string()), (text) => {
        const { code, message } = S3Xml.refusal(text)
        assert.isString(code + message)
        const page = S3Xml.page(text)
        if (Either.isRight(page)) assert.isArray(page.right.keys)
        assert.isBoolean(S3Xml.isCompleted(text) && Either.isRight(S3Xml.uploadId(text)))
      }),
      { numRuns: 400 }
    )
  })

  it("errors and uploads are read with whatever is around them", () => {
    const error =
      '<?xml version="1.0"?><Error xmlns="x"><Code>NoSuchKey</Code><Message>gone &amp; away</Message><Extra>1</Extra></Error>'
    assert.deepStrictEqual(S3Xml.refusal(error), { code: "NoSuchKey", message: "gone & away" })
    assert.deepStrictEqual(S3Xml.refusal("<html>"), { code: "", message: "" })
    assert.strictEqual(
      right(S3Xml.uploadId("<InitiateMultipartUploadResult><UploadId>a-1</UploadId></InitiateMultipartUploadResult>")),
      "a-1"
    )
    refusal(S3Xml.uploadId("<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>"))
    assert.isFalse(S3Xml.isCompleted(error))
    assert.isTrue(
      S3Xml.isCompleted("\n <CompleteMultipartUploadResult><ETag>&quot;x&quot;</ETag></CompleteMultipartUploadResult>")
    )
    assert.include(S3Xml.completion(['"a<b"']), "<PartNumber>1</PartNumber><ETag>&quot;a&lt;b&quot;</ETag>")
  })
})
