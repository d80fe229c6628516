//! What happens in the demonstration: who sells what, and who wants it.

/// An organisation of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Organisation {
    /// The name by which people call it; its programs' logs carry it in lower case.
    pub name: &'static str,
    /// Its MSP id.
    pub msp: &'static str,
    /// Its domain.
    pub domain: &'static str,
}

/// The bank that sells.
pub const BANK: Organisation = Organisation {
    name: "USBank",
    msp: "USBankMSP",
    domain: "usbank.example.com",
};

/// The first broker.
pub const BROKER_A: Organisation = Organisation {
    name: "BrokerA",
    msp: "BrokerAMSP",
    domain: "brokera.example.com",
};

/// The second broker.
pub const BROKER_B: Organisation = Organisation {
    name: "BrokerB",
    msp: "BrokerBMSP",
    domain: "brokerb.example.com",
};

/// All three, the bank first.
pub const ORGANISATIONS: [Organisation; 3] = [BANK, BROKER_A, BROKER_B];

/// The cash token in which shares are paid, and its decimals: amounts are in cents.
pub const CASH: (&str, u8) = ("USD", 2);

/// What each broker is given in cash to begin with, in cents.
pub const ENDOWMENT: u64 = 50_000_000;

/// An IPO of the demonstration.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// The listing's id.
    pub id: &'static str,
    /// The symbol of its share token.
    pub symbol: &'static str,
    /// Its series.
    pub category: &'static str,
    /// What the company does.
    pub description: &'static str,
    /// Shares for sale.
    pub shares: u64,
    /// Lowest price, highest price and tick, in cents.
    pub price: [u64; 3],
    /// The orders that come in.
    pub orders: &'static [Order],
}

/// A client's order at a broker.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// The broker.
    pub broker: Organisation,
    /// The order's id within the broker's book.
    pub id: &'static str,
    /// The client: private.
    pub investor: &'static str,
    /// Demand schedule: at any price up to the first (in cents), so many shares in all.
    pub steps: &'static [(u64, u64)],
}

/// The three IPOs. LightRocket gets no order and stays available.
pub const OFFERS: [Offer; 3] = [
    Offer {
        id: "LightRocket",
        symbol: "LRKT",
        category: "Series B",
        description: "Rockets driven by light",
        shares: 10_000,
        price: [500, 2000, 100],
        orders: &[],
    },
    Offer {
        id: "LongerLife",
        symbol: "LLIF",
        category: "Series A",
        description: "Medicines for a longer life",
        shares: 25_000,
        price: [400, 1200, 50],
        orders: &[
            Order {
                broker: BROKER_A,
                id: "a-1001",
                investor: "Alice Archer",
                steps: &[(500, 10_000), (700, 7_000), (1000, 4_500)],
            },
            Order {
                broker: BROKER_A,
                id: "a-1002",
                investor: "Amir Aslan",
                steps: &[(450, 12_000), (900, 6_000)],
            },
            Order {
                broker: BROKER_B,
                id: "b-2001",
                investor: "Beatrix Bauer",
                steps: &[(550, 9_000), (850, 8_000)],
            },
            Order {
                broker: BROKER_B,
                id: "b-2002",
                investor: "Boris Blum",
                steps: &[(600, 5_000), (1150, 2_000)],
            },
        ],
    },
    Offer {
        id: "Estatia",
        symbol: "ESTA",
        category: "Series A",
        description: "Homes to let, run well",
        shares: 25_000,
        price: [500, 1000, 100],
        orders: &[
            Order {
                broker: BROKER_A,
                id: "a-1003",
                investor: "Alice Archer",
                steps: &[(500, 10_000), (700, 7_000), (1000, 4_500)],
            },
            Order {
                broker: BROKER_A,
                id: "a-1004",
                investor: "Aoife Ahern",
                steps: &[(600, 9_000), (700, 9_000)],
            },
            Order {
                broker: BROKER_B,
                id: "b-2003",
                investor: "Bilal Butt",
                steps: &[(500, 15_000), (800, 12_000)],
            },
        ],
    },
];
