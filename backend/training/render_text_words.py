"""Words for rendered adverts. Random strings come beside them, so that letters, not words, are
learned. CJK characters come from the standard character sets that Python's codecs know."""

from __future__ import annotations

import random

ENGLISH = (
    "sale save new only today big deal free shipping delivery limited offer autumn winter spring "
    "summer fashion style street collection best season price from up to off extra discount buy "
    "one get two half store shop now online visit us call order best seller hot trend live love "
    "dream bold brave your rules made for you and the in of on with by at is it all we our more "
    "less natural organic fresh taste coffee tea bread juice milk honey chocolate sport running "
    "shoes cap hat bag watch ring phone camera laptop tablet car electric future luxury design "
    "home kitchen garden travel hotel beach island flight city night music festival concert "
    "tickets cinema movie book read school learn course health fitness yoga beauty skin care hair "
    "perfume lipstick watch gold silver diamond gift birthday christmas easter black friday week "
    "weekend month year anniversary members club card points bonus win prize lucky vip premium "
    "exclusive original quality guarantee since established official brand company limited group "
    "international service support contact address open daily monday sunday hours parking exit "
    "entrance welcome hello thank please wait stop go way left right street road avenue station "
    "platform hospital bank market cafe restaurant pizza burger noodle chicken fish beef apple "
    "orange lemon cherry vanilla water wine beer vodka whisky menu special lunch dinner breakfast "
    "quick jumps over lazy fox dog wizard zebra quartz vex jockey sphinx photo studio copyright "
    "sample preview watermark draft confidential rights reserved www http com net org"
).split()
OTHER_LATIN = (
    "für über größe qualität jetzt günstig angebot zukunft luxus elektrisch straße mode schön "
    "été hiver soldes nouveauté qualité à prix coûte déjà français crème brûlée garçon forêt "
    "mañana niño oferta envío gratis descuento colección otoño año corazón façade élégance "
    "città più libertà perché moda stagione sconto gratuito köp nyhet höst vår året små på "
    "żółty łatwo święta nowość już ćma źródło şık güzel indirim çok ölçü příště zboží"
).split()
CJK_SHOP = (
    "全场包邮 限时特价 新品上市 买一送一 正品保证 厂家直销 活动价 优惠 折扣 开门红 "
    "今日下单 仅限一天 质量保证 七天退换 欢迎光临 品牌 女装 男装 秋冬新款 夏季 时尚 精品 "
    "电子 科技有限公司 电话 地址 送料無料 期間限定 新発売 お買い得 半額 セール 秋の新作 "
    "夏物 公式 ありがとう 東京 特集 무료배송 특가 할인 신상품 오늘만 감사합니다 "
    "봄 여름 가을 겨울 서울"
).split()
THAI = "ลดราคา ใหม่ ฟรี วันนี้ เท่านั้น ส่งฟรี โปรโมชั่น สินค้า คุณภาพ ดีที่สุด".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MARKS = "!?.,:;&+-–—/%@#*'\"()®™©|~"


def two_byte_characters(codec: str, first: range, second: range) -> str:
    """All characters of a two-byte character set in a range of its rows."""
    found = []
    for a in first:
        for b in second:
            try:
                found.append(bytes([a, b]).decode(codec))
            except UnicodeDecodeError:
                continue
    return "".join(found)


HAN = two_byte_characters("gb2312", range(0xB0, 0xD8), range(0xA1, 0xFF))  # 3755, level 1
KANA = two_byte_characters("gb2312", range(0xA4, 0xA6), range(0xA1, 0xF7))
HANGUL = two_byte_characters("euc_kr", range(0xB0, 0xC9), range(0xA1, 0xFF))[::3]
SIGNS = "，。！？：；「」（）￥・ー"
CJK_CHARACTERS = "".join(sorted(set(HAN + KANA + HANGUL + "".join(CJK_SHOP) + SIGNS)))


def cased(word: str, rng: random.Random) -> str:
    return rng.choice((word, word, word.capitalize(), word.capitalize(), word.upper()))


def number(rng: random.Random) -> str:
    """Prices, dates, percentages, telephone numbers, addresses of pages."""
    n = rng.randrange
    return rng.choice((
        f"{n(5, 95)}%", f"-{n(5, 95)}%", f"${n(1, 999)}.{n(100):02d}", f"€{n(1, 99)},{n(100):02d}",
        f"¥{n(10, 9999)}", f"£{n(1, 500)}", f"{n(1, 13)}/{n(1, 32)}", f"20{n(10, 40)}",
        f"{n(10, 999)}-{n(1000, 9999)}{n(100, 9999)}", f"www.{rng.choice(ENGLISH)}.com",
        f"{n(1, 99)}x{n(1, 99)}cm", f"@{rng.choice(ENGLISH)}", f"No.{n(1, 99)}",
        f"{n(1, 13)}:{n(60):02d}",
    ))  # fmt: skip


def latin(rng: random.Random) -> str:
    """One to five words, sometimes numbers, foreign words or random letters."""
    words = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4, 5))):
        kind = rng.random()
        if kind < 0.62:
            word = rng.choice(ENGLISH)
        elif kind < 0.72:
            word = rng.choice(OTHER_LATIN)
        elif kind < 0.86:
            word = number(rng)
        else:
            word = "".join(rng.choices(LETTERS, k=rng.randrange(1, 10)))
        if rng.random() < 0.12:
            word += rng.choice(MARKS)
        words.append(word)
    style = rng.random()
    line = ("   " if rng.random() < 0.15 else " ").join(words)
    if style < 0.3:
        return line.upper()
    if style < 0.5:
        return line.title()
    if style < 0.75:
        return line[:1].upper() + line[1:]
    return " ".join(cased(word, rng) for word in words)


def cjk(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.3:
        return "".join(rng.choices(CJK_SHOP, k=rng.randrange(1, 3)))
    alphabet = HAN if kind < 0.75 else KANA if kind < 0.85 else HANGUL
    line = "".join(rng.choices(alphabet, k=rng.randrange(1, 10)))
    if rng.random() < 0.2:
        line += number(rng)
    elif rng.random() < 0.15:
        line += "\u3000" + "".join(rng.choices(alphabet, k=rng.randrange(1, 5)))
    return line
