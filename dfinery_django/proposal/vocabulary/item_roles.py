"""The roles of the fields of a line and of its product."""

from __future__ import annotations

from .roles import role

# fmt: off
PRODUCT_ID = role("a product's key", "text uuid-5 count-3 method-12", """
    100: product sku | sku | product code | product number | product id | 상품코드 | 상품번호 | 품번 | 商品コード
        | 商品番号 | 商品编码 | 商品编号 | 商品編號 | 货号 | 貨號
    94: item code | item number | item id | partner sku | stock code | item sku | variant sku | article number
    78: isbn | barcode | upc | ean | gtin | model number | part number | variant id | identifier
    70: code
    -60: coupon | voucher | discount | order | line | tax | currency | tracking | promo | secret | language
        | country | position | qr | html | embed | color
""")
PRODUCT_NAME = role("a product's name", "text method-9", """
    100: product name | product title | item name | 상품명 | 제품명 | 商品名 | item title | 강의명 | 도서명
        | 商品名称 | 商品名稱 | 商品标题 | 商品標題 | 产品名称
    90: name | title | 이름 | 제목 | 名称 | 名稱 | 标题 | 標題 | タイトル | course name | book name | ticket name
        | room name
        | variant name
    50: label | description | product | summary | 설명
    45: number | room number
    -60: attendee | guest | customer | user | first | last | seller | vendor | short | file | meta | seo | slug
        | option | image | coupon | html | internal | translated | buyer | full path | owner | recipient | tax
        | currency | type | manager | supplier | author | unit
        | 副 | sub | subtitle
""")
CATEGORY = role("a category", "text choice", """
    90: category | category name | 카테고리 | 분류 | カテゴリー | カテゴリ | 分类 | 分類 | 类别 | 類別
    60: type | genre | collection | section | 종류
    -60: id | tax | code | order | line
""", least=58)
CATEGORY_NAME = role("a name", "text", """
    90: name | title | category name | 카테고리명 | 분류명 | 이름 | 名称 | カテゴリ名 | 名稱 | 分类名称 | 标题
    60: label | code | slug | type
    -60: meta | seo | short | id | user | image
""")
QUANTITY = role("a quantity", "count+6 money-20", """
    100: quantity | 수량 | 数量 | 數量 | 购买数量 | 개수 | 個数 | order quantity | 주문수량 | product quantity
        | ordered quantity
        | item quantity
    90: count | number item | number unit | unit count | item count | number ticket | number seat | number room
        | piece | ticket count | ticket quantity | number people | number person | number guest | 인원 | 매수
    75: product amount | number | unit | nights | night | seats | pax | copies | participant | ticket | guest
        | adult
    58: amount | total quantity | product count
    -60: stock | id | order number | line number | position | price | cost | total | tax | shipped | refunded
        | canceled | returned | fulfilled | room number | allocated | discount | weight | minimum | maximum
        | available | remaining | phone | sku | code | price amount | seat number | ticket number | day | sold
        | decimal | fee | 库存 | 庫存 | 销量
""")
UNIT_PRICE = role("a unit price", "money count-4 method-25", """
    100: unit price | price unit | unit price incl tax | 단가 | 単価 | 单价 | 單價 | unit amount | unit cost
        | price per unit
    94: product price | item price | price each | price item | per price | 상품단가 | 판매단가
        | unit price incl amount | product price incl | price at purchase | price per night | price per ticket
        | price night
    88: sale price | selling price | 판매가 | 판매가격 | 售价 | 售價 | price incl tax | price incl | final price
        | discounted price
    84: price | 가격 | 価格 | 价格 | 價格 | purchase price | ordered price | price paid
    72: rate
    60: fee | price amount | fare
    50: cost | amount | 금액 | charge
    -20: base
    -40: total | line | subtotal | sub | sum | tax | original | list | old | before | discount amount | supply
        | wholesale | compare | shipping | discount rate | excl | undiscounted | minimum | buying | refunded
        | commission | retail | id | type | code | regular | stripe | saving | item sum | 합계 | 원가 | 매입 | 정가
        | 총 | 할인 | cost price | 总 | 小计 | 成本 | 划线 | 原价 | 原價 | 市场价 | 优惠
""", is_amount=True)
LINE_TOTAL = role("a line's total", "money count-4 method-9", """
    100: line total | line price | total price | total amount | item total | row total | line price incl tax
        | 합계금액 | line amount | 小計 | 小计 | total price incl tax | line total incl | total price incl amount
        | total incl
    92: total | 합계 | 총액 | 소계 | 总价 | 總價 | total cost | final price | subtotal | sub total | total incl tax
    60: amount | price | cost | 금액 | 金額
    -40: tax | shipping | discount | excl | before | undiscounted | refunded | quantity | unit | saving | count
""", is_amount=True)
CURRENCY = role("a currency", "text choice", """
    90: currency | currency code | 통화 | 通貨 | 币种 | 货币 | 幣別
    -40: rate | symbol | name
""")
